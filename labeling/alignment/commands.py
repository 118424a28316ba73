"""What the commands of LaTeX mathematics take and do: the tables behind the formula trees.

Names as amsmath and the LaTeX companion list them; only what changes how a formula is cut or
compared is here.
"""

from __future__ import annotations

_GREEK = """
    alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi
    varpi rho varrho sigma varsigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi
    Pi Sigma Upsilon Phi Psi Omega
"""
_FUNCTIONS = """
    sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh coth log ln lg exp lim limsup liminf
    max min sup inf det dim ker deg gcd hom arg Pr
"""
_OPERATORS = """
    sum prod coprod int iint iiint oint bigcup bigcap bigoplus bigotimes bigvee bigwedge
"""
_SYMBOLS = """
    infty partial nabla forall exists nexists emptyset varnothing angle measuredangle triangle
    square degree circ bullet prime ell hbar Re Im aleph top bot ldots cdots vdots ddots dots dotsc
    dotsb therefore because lfloor rfloor lceil rceil langle rangle lvert rvert vert Vert lVert
    rVert
    lbrace rbrace lbrack rbrack backslash S P imath jmath dag ddag checkmark
"""
_RELATIONS = """
    le leq leqslant ge geq geqslant ne neq equiv approx sim simeq cong propto ll gg prec succ in
    notin ni subset subseteq supset supseteq subsetneq parallel perp mid nmid to rightarrow
    leftarrow Rightarrow Leftarrow leftrightarrow Leftrightarrow longrightarrow Longrightarrow
    longleftrightarrow Longleftrightarrow implies impliedby iff mapsto longmapsto models vdash
    colon asymp doteq lesssim gtrsim hookrightarrow uparrow downarrow nearrow searrow gets
"""
_BINARIES = """
    times cdot div pm mp cup cap setminus wedge vee land lor oplus otimes odot ast star circ bmod
    amalg sqcup sqcap
"""
_STYLES = """
    displaystyle textstyle scriptstyle scriptscriptstyle limits nolimits quad qquad enspace
    thinspace medspace thickspace negthinspace left right middle not neg lnot
    rm bf it sf tt cal
"""


def _commands(*lists: str) -> frozenset[str]:
    return frozenset("\\" + name for names in lists for name in names.split())


# Different writings of one thing. The size of a fraction and the name of an arrow do not count.
SYNONYMS = {
    "\\dfrac": "\\frac",
    "\\tfrac": "\\frac",
    "\\cfrac": "\\frac",
    "\\dbinom": "\\binom",
    "\\tbinom": "\\binom",
    "\\le": "\\leq",
    "\\leqslant": "\\leq",
    "≤": "\\leq",
    "\\ge": "\\geq",
    "\\geqslant": "\\geq",
    "≥": "\\geq",
    "\\ne": "\\neq",
    "\\not =": "\\neq",
    "≠": "\\neq",
    "\\to": "\\rightarrow",
    "→": "\\rightarrow",
    "\\gets": "\\leftarrow",
    "\\land": "\\wedge",
    "\\lor": "\\vee",
    "\\lnot": "\\neg",
    "\\not \\in": "\\notin",
    "\\varnothing": "\\emptyset",
    "\\dots": "\\ldots",
    "\\dotsc": "\\ldots",
    "\\dotsb": "\\cdots",
    "…": "\\ldots",
    "\\lbrace": "\\{",
    "\\rbrace": "\\}",
    "\\lbrack": "[",
    "\\rbrack": "]",
    "\\lvert": "|",
    "\\rvert": "|",
    "\\vert": "|",
    "\\lVert": "\\|",
    "\\rVert": "\\|",
    "\\Vert": "\\|",
    "\\colon": ":",
    "\\degree": "\\circ",
    "\\overrightarrow": "\\vec",
    "\\$": "$",
    "\\%": "%",
    "\\#": "#",
    "\\_": "_",
    "×": "\\times",
    "·": "\\cdot",
    "÷": "\\div",
    "±": "\\pm",
    "∞": "\\infty",
    "π": "\\pi",
    "°": "\\circ",
    "−": "-",
    "–": "-",
    "’": "'",
    "‘": "'",
    "“": '"',
    "”": '"',
}

# What leaves no mark on paper but distance.
UNSEEN = frozenset({"", "\\,", "\\:", "\\;", "\\!", "\\>", "\\ ", "\\/", "\\\n", "~"}) | _commands(
    """
    quad qquad enspace thinspace medspace thickspace negthinspace displaystyle textstyle
    scriptstyle scriptscriptstyle
    """
)

# Commands whose arguments are formulas, and how many they take.
ARGUMENTS = {
    "\\frac": 2,
    "\\binom": 2,
    "\\overset": 2,
    "\\underset": 2,
    "\\stackrel": 2,
} | dict.fromkeys(
    _commands(
        """
        sqrt vec hat bar tilde dot ddot widehat widetilde overline underline overbrace underbrace
        boxed phantom mathrm mathbf mathit mathsf mathbb mathcal mathfrak mathscr boldsymbol bm
        mod pmod pod cancel xrightarrow
        """
    ),
    1,
)

# Commands whose arguments are no formulas, or have rows which cannot be cut out: one piece.
LITERAL_ARGUMENTS = {
    "\\operatorname": 1,
    "\\operatorname*": 1,
    "\\mathop": 1,
    "\\mathrel": 1,
    "\\mathbin": 1,
    "\\mathopen": 1,
    "\\mathclose": 1,
    "\\mathchoice": 4,
    "\\color": 1,
    "\\textcolor": 2,
    "\\colorbox": 2,
    "\\hspace": 1,
    "\\hspace*": 1,
    "\\rule": 2,
    "\\substack": 1,
    "\\url": 1,
    "\\href": 2,
    "\\ce": 1,
}

INFIX = _commands("over choose atop brace brack above")
DELIMITER_SIZES = _commands(
    """
    big Big bigg Bigg bigl Bigl biggl Biggl bigr Bigr biggr Biggr bigm Bigm biggm Biggm
    """
)
BREAKS = _commands("cr newline hline hdashline cline middle tag tag* nonumber notag label") | {
    "\\\\",
    "&",
}

RELATIONS = (_commands(_RELATIONS) | {"=", "<", ">", ":"}) - {"\\colon"}
BINARY = _commands(_BINARIES) | {"+", "-", "*", "/"}

# Every command that may be recognised by its name, where its backslash was doubled or lost.
KNOWN = (
    _commands(_GREEK, _FUNCTIONS, _OPERATORS, _SYMBOLS, _RELATIONS, _BINARIES, _STYLES)
    | frozenset(ARGUMENTS)
    | frozenset(LITERAL_ARGUMENTS)
    | frozenset(SYNONYMS)
    | _commands("begin end text textbf textit textrm mbox")
    | INFIX
    | DELIMITER_SIZES
    | BREAKS
)
