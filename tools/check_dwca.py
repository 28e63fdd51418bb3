"""Check Darwin Core archives against the published schemas, and read them with others' readers.

    python tools/check_dwca.py SCHEMAS ARCHIVE.zip ...

SCHEMAS is a folder with what is published: tdwg_dwc_text.xsd (repository tdwg/dwc, docs/text), eml.xsd,
eml-gbif-profile.xsd and dc.xsd (gbif/eml-profile), xml.xsd and the definitions of the core and the
extensions that archives use (gbif/rs.gbif.org: schema, core, extension). Needs lxml, python-dwca-reader and
frictionless.
"""

import sys
import zipfile
from itertools import chain
from pathlib import Path

import frictionless
from dwca.exceptions import InvalidArchive
from dwca.read import DwCAReader
from lxml import etree

TEXT = "{http://rs.tdwg.org/dwc/text/}"


class Local(etree.Resolver):
    """Finds what a schema imports in the folder, wherever it says that it is."""

    def __init__(self, folder):
        self.folder = folder

    def resolve(self, address, public_id, context):
        """A schema by its address."""
        name = address.rsplit("/", 1)[-1]
        if (self.folder / name).is_file():
            return self.resolve_filename(str(self.folder / name), context)
        # Terms are imported, but the schema of meta.xml uses none of them.
        space = "http://rs.tdwg.org/dwc/terms/"
        empty = f'<schema xmlns="http://www.w3.org/2001/XMLSchema" targetNamespace="{space}"/>'
        return self.resolve_string(empty, context)


def schema(folder, name):
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(Local(folder))
    return etree.XMLSchema(etree.parse(str(folder / name), parser))


def definitions(folder):
    """The terms of each row type, and those that it requires."""
    kinds = {}
    for file in folder.glob("*.xml"):
        root = etree.parse(str(file)).getroot()
        terms = {p.get("qualName"): p.get("required") == "true" for p in root}
        kinds[root.get("rowType")] = terms
    return kinds


def problems(archive, folder):
    with zipfile.ZipFile(archive) as files:
        meta, eml = (etree.fromstring(files.read(name)) for name in ("meta.xml", "eml.xml"))
        for name, document, xsd in (
            ("meta.xml", meta, "tdwg_dwc_text.xsd"),
            ("eml.xml", eml, "eml.xsd"),
        ):
            validator = schema(folder, xsd)
            if not validator.validate(document):
                yield from (f"{name}: {error}" for error in validator.error_log)
        known = definitions(folder)
        for part in meta.iter(f"{TEXT}core", f"{TEXT}extension"):
            allowed = known[part.get("rowType")]
            used = {field.get("term") for field in part.iter(f"{TEXT}field")}
            yield from (f"{part.get('rowType')} has no {term}" for term in used - set(allowed))
            lacking = {term for term, is_required in allowed.items() if is_required} - used
            yield from (f"{part.get('rowType')} lacks {term}" for term in lacking)
            name = part.findtext(f"{TEXT}files/{TEXT}location")
            report = frictionless.validate(files.read(name), format="csv", encoding="utf-8")
            yield from (f"{name}: {error}" for task in report.tasks for error in task.errors)


def read_back(archive):
    with DwCAReader(str(archive)) as reader:
        rows = list(reader)
        ids = [row.id for row in rows]
        try:
            extensions = [len(row.extensions) for row in rows]
        except InvalidArchive as error:
            yield str(error)
            return
        orphans = reader.orphaned_extension_rows()
        print(f"  {len(rows)} events, {sum(extensions)} rows of extensions")
        if len(set(ids)) < len(ids):
            yield "ids stand twice"
        yield from (
            f"{name}: {len(lines)} rows of no event" for name, lines in orphans.items() if lines
        )


def main():
    folder, archives = Path(sys.argv[1]), sys.argv[2:]
    wrong = 0
    for archive in archives:
        print(archive)
        for problem in chain(problems(archive, folder), read_back(archive)):
            print(f"  {problem}")
            wrong += 1
    print(f"{wrong} problems")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
