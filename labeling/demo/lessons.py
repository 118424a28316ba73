"""What the demo's training set explains: a word on each of its items."""

from __future__ import annotations

# By the key of the solution in its source, in the order in which they are asked.
LESSONS = {
    "geo-07-a": """\
The lateral surface of a cone is $\\pi r s$ with the **slant height** $s = \\sqrt{5^2 + 12^2} = 13$.
Step 2 takes the height instead: that is the first error.

- Step 3 is right: it does not use step 2.
- Step 4 is wrong too, and *follows from an earlier error*.
""",
    "cnt-03-ref": """\
Every step holds. Look for an error in every step, and do not expect one in every solution:
a good part of the queue has none.
""",
    "prob-02-a": """\
Steps 1 and 2 are true as they stand. Step 3 concludes too much: blue first and red second is the
other way to different colours, and has the same probability. A step may be wrong by what it
*leaves out*.
""",
    "alg-04-b": """\
The answer $6$ is right, and the solution is not. Step 3 argues that two increasing functions meet
only once, which they need not. **Judge the steps, not the answer.**
""",
    "geo-03-b": """\
No step is wrong. Step 3 is true and not needed, so it is 0 and not −1.
""",
    "inj-confidence-06": """\
$\\binom{5}{4} = 5$, so step 2 is wrong, and it says so with much confidence: the type fits. Step 4
uses the wrong number. Both flags are right, and the claim is accepted as it stands.
""",
    "inj-circular-04": """\
Step 2 is true and superfluous, but nothing in it goes back to where the argument began. There is
something odd at the claimed step, of **another kind** (redundancy): reject, with that reason.
""",
    "inj-missing-condition-06": """\
The question no longer says that the trapezoid is isosceles, so the two outer parts need not be
equal. Step 1 is wrong **under the changed question**, and steps 2 to 4 rest on it. The claim flags
step 1 alone: accept it *with edits*, and flag the others.
""",
    "inj-deception-06": """\
Original and modified solution are the same, word for word. There is no error to be found: reject,
because nothing really differs.
""",
}
