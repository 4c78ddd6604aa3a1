"""What a folder of skin-lesion images hides: duplicates, conflicting labels, leakage, shortcuts.

    python examples/audit.py                                           generated images, no data needed
    python examples/audit.py --data "<folder>" --output runs/audit     a folder with Train/ and Test/

Nothing of the data is changed. The output folder holds the findings and labels.patch.csv: suggestions to read, edit and
give to examples/baseline.py --patch. `lesionkit audit` has every option.
"""

import argparse

import lesionkit as lk
from lesionkit.auditing.files import write_audit

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--data", metavar="FOLDER", help="the images (default: generated ones)")
parser.add_argument("--metadata", metavar="CSV", help="a table of lesions, patients and diagnoses by image id")
parser.add_argument("--output", metavar="FOLDER", default="runs/audit", help="(default: %(default)s)")


def main(arguments: list[str] | None = None) -> None:
    """Audits the images, writes the findings and prints them in short."""
    options, others = parser.parse_known_args(arguments)
    if others:
        parser.error(f"{' '.join(others)}: not an option of this example, see `lesionkit audit --help`")
    images = lk.datasets.get("isic_folder" if options.data else "synthetic_lesions")
    records = images(options.data)  # names of files, labels and splits
    if options.metadata:
        records = records.join(lk.datasets.metadata(options.metadata))
    audit = lk.audit(records)
    write_audit(audit, options.output)
    print(audit.summary())


if __name__ == "__main__":
    try:
        main()
    except lk.LesionkitError as error:
        parser.error(str(error))
