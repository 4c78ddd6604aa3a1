"""The documented baseline, assembled from its parts; `lesionkit train` does the same with every option there is."""

import argparse
import dataclasses
import logging

import lesionkit as lk
from lesionkit.auditing.patches import described
from lesionkit.evaluation.files import write_evaluation

parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
for option in ("--data", "--metadata", "--patch", "--backbone", "--weights"):
    parser.add_argument(option)  # without --data the images are generated ones
parser.add_argument("--preprocessor", default="unit_range", help="(default: %(default)s)")
parser.add_argument("--epochs", type=int, default=10, help="(default: %(default)s)")
parser.add_argument("--output", default="runs/baseline", help="(default: %(default)s)")


def main(arguments: list[str] | None = None) -> None:
    """Trains, evaluates, writes what lk.run_recipe(lk.documented_baseline(), ...) writes, and prints the scores."""
    options, others = parser.parse_known_args(arguments)
    if others:
        parser.error(f"{' '.join(others)}: not an option of this example, see `lesionkit train --help`")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    records = lk.datasets.get("isic_folder")(options.data) if options.data else lk.datasets.get("synthetic_lesions")()
    records = records.join(lk.datasets.metadata(options.metadata)) if options.metadata else records
    records = lk.apply_patch(records, options.patch) if options.patch else records
    notes = {"patch": described(options.patch) if options.patch else None}
    head = lk.Part("pooled", hidden=(256,), dropout=0.0, pooling="avg")
    parts = {"class_names": records.class_names, "preprocessor": options.preprocessor, "head": head}
    weights = None if options.weights == "none" else options.weights or "imagenet"
    try:
        model = lk.build_classifier(backbone=lk.Part(options.backbone or "resnet50", weights=weights), **parts)
    except lk.WeightsUnavailableError:
        if options.backbone or options.weights:
            raise
        model = lk.build_classifier(backbone=lk.Part("efficientnet_lite0", weights="imagenet"), **parts)
        notes["substitutions"] = ("ResNet50's ImageNet weights cannot be had here: this run uses efficientnet_lite0.",)
        logging.getLogger("lesionkit").warning(*notes["substitutions"])
    audit = lk.audit(lk.inspect(records), only=[name for name in lk.checks.names() if name != "shortcuts"])
    notes["findings"] = {name: findings.summary for name, findings in audit.findings.items()}
    train, validation, test = lk.split(audit.records, validation=0.2, seed=0)  # Test as shipped, no copy on both sides
    run = lk.trainers.Frozen(epochs=options.epochs, learning_rate=1e-3, batch_size=32).fit(model, train, validation)
    seen = lk.Records.concatenate([train, validation])
    evaluation = lk.evaluate(model, test, run=run, train=seen, held_out=validation, store=True)
    evaluation = dataclasses.replace(lk.illustrate(model, evaluation), stress=lk.stress_panel(model, test), **notes)
    folder = lk.save(model, options.output, evaluation=evaluation)
    write_evaluation(evaluation, folder / "evaluation.npz")
    for report, file in (("html", "report.html"), ("json", "report.json"), ("markdown", "report.md")):
        lk.reports.get(report)(evaluation, folder / file)
    lk.reports.get("model_card")(evaluation, folder / "card.md")
    lk.reports.get("plots")(evaluation, folder / "plots.png")
    print(f"{evaluation}\nreport: {folder / 'report.html'}")


if __name__ == "__main__":
    try:
        main()
    except lk.LesionkitError as error:
        parser.error(str(error))
