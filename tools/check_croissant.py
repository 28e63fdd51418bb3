"""Check Croissant metadata with MLCommons' own library, and load the records by it.

    python tools/check_croissant.py FILE.json ...

Needs mlcroissant and pyarrow.
"""

import sys

import mlcroissant


def main():
    wrong = 0
    for file in sys.argv[1:]:
        dataset = mlcroissant.Dataset(jsonld=file)
        issues = dataset.metadata.ctx.issues
        kinds = dataset.metadata.record_sets
        records = {kind.uuid: len(list(dataset.records(kind.uuid))) for kind in kinds}
        print(f"{file}: {dataset.metadata.ctx.conforms_to}, records {records}")
        for issue in [*issues.errors, *issues.warnings]:
            print(f"  {issue}")
            wrong += 1
    print(f"{wrong} problems")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
