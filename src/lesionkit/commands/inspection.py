"""The commands ``list``, ``info``, ``doctor`` and ``cache``: what there is."""

import argparse

from lesionkit.commands import members
from lesionkit.commands.running import say
from lesionkit.errors import OptionError


def add_list_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of ``list``."""
    parser.set_defaults(job=listed, quiet=True)
    parser.add_argument("family", nargs="?", choices=members.FAMILIES, metavar="FAMILY", help="one of %(choices)s")


def listed(options: argparse.Namespace) -> str:
    """Returns the members of one family or all."""
    families = [options.family] if options.family else members.FAMILIES
    return "\n".join(members.listed(family) for family in families)


def add_info_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of ``info``."""
    parser.set_defaults(job=told, quiet=True)
    parser.add_argument("name", metavar="NAME", help="of a member of any family, as `lesionkit list` tells them")


def told(options: argparse.Namespace) -> str:
    """Returns what the members of a name are and take."""
    return "\n\n".join(map(members.told, members.called(options.name)))


def add_doctor_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of ``doctor``: none."""
    parser.set_defaults(job=diagnosed, quiet=True)


def diagnosed(_: argparse.Namespace) -> int:
    """Says what is here; returns 0 when nothing is broken, else 1."""
    from lesionkit.commands.doctor import diagnosis

    found = diagnosis()
    say(str(found))
    return 1 if found.broken else 0


def add_cache_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of ``cache``."""
    from lesionkit.commands.caches import KINDS

    parser.set_defaults(quiet=True)
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    info = actions.add_parser("info", help="how much is kept of what, and where", allow_abbrev=False)
    info.set_defaults(job=cache_info)
    clear = actions.add_parser("clear", help="remove it; all of it can be made again", allow_abbrev=False)
    clear.set_defaults(job=cache_clear)
    clear.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)} (default: all)")
    clear.add_argument("--yes", action="store_true", help="do it; without, it is only said what would be removed")


def cache_info(_: argparse.Namespace) -> str:
    """Returns what is kept."""
    from lesionkit.commands.caches import in_bytes, kept
    from lesionkit.features.store import FeatureStore

    limit = f"at most {in_bytes(FeatureStore().limit)} of feature maps are kept (LESIONKIT_CACHE_LIMIT)"
    return "\n".join([*map(str, kept()), limit])


def cache_clear(options: argparse.Namespace) -> str:
    """Removes what was asked for and returns what was freed.

    Raises:
        OptionError: an unknown kind, or no ``--yes``.
    """
    from lesionkit.commands.caches import KINDS, clear, in_bytes, kept

    kinds = options.kinds or KINDS
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown:
        raise OptionError(f"What is kept is {', '.join(KINDS)}. Received: {', '.join(unknown)}")
    if not options.yes:
        would = "\n".join(f"  {one}" for one in kept() if one.kind in kinds)
        raise OptionError(f"This would remove\n{would}\nSay that it is meant: --yes")
    return f"{in_bytes(clear(kinds))} freed"
