/** Asks before what cannot be taken back. Without script the form is sent at once, and the server may ask.
 *
 *  <form method="post" action="…" data-confirm="cancel-job"> … </form>
 *  <dialog class="dialog" id="cancel-job"> … <button value="yes">Cancel the job</button> … </dialog>
 */

export function startConfirm(root = document) {
  root.addEventListener("submit", (event) => {
    const form = event.target;
    const dialog = document.getElementById(form.dataset?.confirm ?? "");
    if (!dialog || form.dataset.confirmed === "yes") return;
    event.preventDefault();
    const submitter = event.submitter;
    dialog.returnValue = "";
    dialog.addEventListener(
      "close",
      () => {
        if (dialog.returnValue !== "yes") return;
        form.dataset.confirmed = "yes";
        form.requestSubmit(submitter ?? undefined);
        delete form.dataset.confirmed;
      },
      { once: true },
    );
    dialog.showModal();
  });
}
