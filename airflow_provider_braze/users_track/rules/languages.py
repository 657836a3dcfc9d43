"""Braze's language codes (Braze docs: language codes). Any other word leaves the stored language as it is.

Above: merging. Below: nothing.
"""

from __future__ import annotations

LANGUAGES = frozenset(
    """
    af agq ak sq am ar hy as asa ay az ksf bm bas eu be bem bez bn brx bs br bg my km ca tzm chr cgg zh swc kw kea hr cs
    da dav dua nl dz guz en eo et ee ewo fo fa fil fi fr gl lg ka gsw de el kl gn gu ha haw he hi hu is ig id iu ga it
    ja jv dyo kab kln kam kn ks kk ebu ki rw ky kok ko ses ku lo la lv ln lt lu luo lb luy mk jmc mgh kde mg ml ms mt gv
    mr mas mer mo mn mfe mua naq ne nd nb nus nyn nn or om ps ff pl pt pa qu rm ro rof rn ru rwk saq se sbp sa gd seh sr
    ksb sn ii sd si sk sl xog so khq es su sw sv shi tl tg ta twq tt te teo th bo ti to tr tk ug uk ur uz vai vi vun cy
    xh yav yi yo dje zu
    """.split()  # noqa: SIM905
)
