"""A recipe run from images to a folder; runs, and variants of a recipe, compared.

In: a recipe and Records, or folders of runs. Out: a run's folder, or a comparison as files. Read ``workflow``,
``fitting`` and ``run_folder`` first; ``run_comparison`` and ``run_comparison_files`` compare runs, ``variants``,
``variant_report`` and ``variant_files`` compare variants in cross-validation, and ``differences`` draws both.
"""
