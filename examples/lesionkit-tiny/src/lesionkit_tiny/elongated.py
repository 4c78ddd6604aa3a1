"""Images that are much longer than wide: squeezed into a square, their lesions change shape."""

from lesionkit import Records
from lesionkit.checks import Finding, Findings
from lesionkit.data.survey import Survey
from lesionkit.text import as_text

#: From this ratio of the longer to the shorter side on, an image is reported.
MOST = 1.6


def elongated(records: Records, surveyed: Survey) -> Findings:
    """Returns each readable image whose longer side is at least 1.6 times its shorter one, the longest first.

    The images are resized to one shape for the network, so that a round lesion becomes an oval there.
    """
    ratios = {
        source: max(look.width, look.height) / min(look.width, look.height)
        for source, look in zip(records.source, surveyed.looks, strict=True)
        if look.error is None
    }
    found = [
        Finding(
            kind="elongated",
            message=f"{as_text(source)} is {ratio:.1f} times as long as wide.",
            sources=(source,),
            details={"ratio": ratio},
        )
        for source, ratio in sorted(ratios.items(), key=lambda item: -item[1])
        if ratio >= MOST
    ]
    summary = f"{len(found)} of {len(ratios)} readable images have sides of more than {MOST} to 1."
    return Findings(
        "elongated", summary, tuple(found), {"images": len(found), "most": max(ratios.values(), default=None)}
    )
