"""The credit line that users of the survey's photos print."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from .._base import words
from .._base.signatures import checked
from ..errors import InputError, some
from .campaigns import CAMPAIGNS

__all__ = ["credit"]


@checked
def credit(years: int | Iterable[int]) -> str:
    """The licence line and citation that LUCAS photos must be shown with.

    Parameters
    ----------
    years : int or iterable of int
        Campaigns the photos are from, such as ``photos["year"]``.

    Returns
    -------
    str
        Three lines: the credit, the licence with a note on changes, the citation.

    Raises
    ------
    InputError
        If there is no year, or one without a campaign.

    References
    ----------
    d'Andrimont, R. et al. (2020). Scientific Data 7:352. doi:10.1038/s41597-020-00675-z

    Examples
    --------
    >>> print(credit([2015, 2018]))
    (c) European Union, LUCAS 2015, 2018, Eurostat
    Licence: CC BY 4.0, https://creativecommons.org/licenses/by/4.0/. Photos were changed: \
resized, and their burnt-in credit line hidden, for classification.
    d'Andrimont, R. et al. (2020). Harmonised LUCAS in-situ land cover and use database for field \
surveys from 2006 to 2018 in the European Union. Scientific Data 7:352. \
doi:10.1038/s41597-020-00675-z
    """
    given = list(years) if isinstance(years, Iterable) else [years]
    campaigns = sorted({int(y) for y in given if not pd.isna(y)})
    if not campaigns or set(campaigns) - set(CAMPAIGNS):
        raise InputError(
            f"{words.arg('years')} must be campaigns ({', '.join(map(str, CAMPAIGNS))}); got "
            f"{some(campaigns) or 'none'} instead."
        )
    return (
        f"{credit_line(campaigns)}\n"
        "Licence: CC BY 4.0, https://creativecommons.org/licenses/by/4.0/. Photos were changed: "
        "resized, and their burnt-in credit line hidden, for classification.\n"
        "d'Andrimont, R. et al. (2020). Harmonised LUCAS in-situ land cover and use database for "
        "field surveys from 2006 to 2018 in the European Union. Scientific Data 7:352. "
        "doi:10.1038/s41597-020-00675-z"
    )


def credit_line(years: Iterable[int]) -> str:
    return f"(c) European Union, LUCAS {', '.join(map(str, years))}, Eurostat"
