"""Modules are put together into one file, or refused by name."""

from __future__ import annotations

import pytest

from workbench.bundles import NotBundled, bundle

TEXT = "export const greeting = 'hello';\nexport function t(word) {\n  return word;\n}\n"


def test_a_module_that_imports_nothing_outside_imports_nothing():
    page = 'import { t, greeting as hello } from "./text.js";\nt(hello);\n'
    made = bundle("js/page.js", {"js/page.js": page, "js/text.js": TEXT})
    assert "import" not in made
    assert "const { t, greeting: hello } = module_text;" in made
    assert made.index("const module_text") < made.index("const module_page")


def test_what_two_modules_import_is_there_once():
    sources = {
        "js/page.js": 'import { a } from "./a.js";\nimport * as text from "./text.js";\n',
        "js/a.js": 'import { t } from "./text.js";\nexport const a = t("a");\n',
        "js/text.js": TEXT,
    }
    made = bundle("js/page.js", sources)
    assert made.count("const module_text =") == 1
    assert "const text = module_text;" in made


def test_its_own_exports_stay_exports():
    made = bundle("js/text.js", {"js/text.js": TEXT})
    assert made.endswith("export const { greeting, t } = module_text;\n")


def test_what_comes_from_elsewhere_stays_an_import():
    page = 'import katex from "../vendor/katex.mjs";\nkatex.render();\n'
    made = bundle("js/page.js", {"js/page.js": page})
    assert made.startswith('import * as outside_0 from "../vendor/katex.mjs";\n')
    assert "const katex = outside_0.default;" in made


def test_what_is_imported_lazily_is_a_file_of_its_own():
    """A second instance of it would know nothing of what the first one did."""
    sources = {
        "js/page.js": 'import { render } from "./math.js";\nrender();\n',
        "js/later.js": 'export const load = () => import("./math.js");\n',
        "js/math.js": "export function render() {}\n",
    }
    assert 'import * as outside_0 from "./math.js";' in bundle("js/page.js", sources)
    assert "outside" not in bundle("js/math.js", sources)


@pytest.mark.parametrize(
    "line",
    [
        "export default 7;",
        "export { t } from './text.js';",
        "export let count = 0;",
        "const here = import.meta.url;",
        "await load();",
    ],
)
def test_what_cannot_be_put_together_is_refused(line):
    with pytest.raises(NotBundled, match=r"js/page\.js has a line"):
        bundle("js/page.js", {"js/page.js": f"{line}\n", "js/text.js": TEXT})


def test_modules_that_import_each_other_are_refused():
    sources = {
        "js/a.js": 'import { b } from "./b.js";\nexport const a = 1;\n',
        "js/b.js": 'import { a } from "./a.js";\nexport const b = 1;\n',
    }
    with pytest.raises(NotBundled, match=r"js/a\.js → js/b\.js → js/a\.js"):
        bundle("js/a.js", sources)
