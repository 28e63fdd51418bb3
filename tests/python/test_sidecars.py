"""XMP sidecars: our keywords in and out, everything else as it was, read by other programs."""

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from xml.dom import minidom

import numpy as np
import pandas as pd
import pytest
from conftest import COLOURS, write_photos, write_run

from lucas_habitat import list_photos, write_xmp
from lucas_habitat.cli import main
from lucas_habitat.errors import InputError, OutputError
from lucas_habitat.sidecars import writing
from lucas_habitat.sidecars.xmp import XmpError, edited, keywords_of

CLASSES = sorted(COLOURS)

#: As digiKam writes it, with what no other program knows.
DIGIKAM = """<?xml version="1.0" encoding="UTF-8"?>
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<!-- kept -->
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:digiKam="http://www.digikam.org/ns/1.0/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:odd="http://example.org/odd/"
   odd:note="two&#10;lines &lt;&quot;&amp;"
   odd:rating="4">
   <digiKam:TagsList>
    <rdf:Seq>
     <rdf:li>People/Åse</rdf:li>
     <rdf:li>Habitat/woody</rdf:li>
    </rdf:Seq>
   </digiKam:TagsList>
   <dc:subject>
    <rdf:Bag>
     <rdf:li>Åse</rdf:li>
     <rdf:li>woody</rdf:li>
    </rdf:Bag>
   </dc:subject>
   <odd:struct rdf:parseType="Resource"><odd:a><![CDATA[<x>]]></odd:a></odd:struct>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
""".encode()


def lists_of(data):
    """The keyword lists of a sidecar, by a reader of its own."""
    document = minidom.parseString(data)
    found = {}
    for name in ("dc:subject", "lr:hierarchicalSubject", "digiKam:TagsList"):
        items = [
            item.firstChild.data
            for element in document.getElementsByTagName(name)
            for item in element.getElementsByTagName("rdf:li")
        ]
        found[name.split(":")[1]] = items
    return found


@pytest.fixture
def photos(tmp_path):
    return write_photos(tmp_path / "fotos på ø", n_points=1)


@pytest.fixture
def predictions(photos):
    table = list_photos(photos)
    return table.assign(
        predicted=pd.Categorical(table["habitat"], CLASSES),
        confidence=np.linspace(0.3, 1, len(table)),
        status="ok",
        error="",
    )


def write(predictions, **options):
    return write_xmp(predictions, progress=False, **options)


def contents(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_sure_photos_get_sidecars_and_no_photo_is_touched(predictions, photos):
    before = contents(photos)
    table = write(predictions, min_confidence=0.6)
    assert table.columns.tolist() == [
        "path", "sidecar", "predicted", "confidence", "status", "error",
    ]  # fmt: skip
    assert table["status"].tolist() == ["unsure"] * 3 + ["written"] * 5
    assert table["sidecar"].tolist() == [f"{path}.xmp" for path in predictions["path"]]
    after = contents(photos)
    assert {path: after[path] for path in before} == before
    assert {str(path) for path in set(after) - set(before)} == set(table["sidecar"][3:])
    found = lists_of(Path(table["sidecar"].iloc[-1]).read_bytes())
    assert found == {
        "subject": ["woody", "confidence 0.9"],
        "hierarchicalSubject": ["Habitat|woody", "Habitat|confidence|confidence 0.9"],
        "TagsList": ["Habitat/woody", "Habitat/confidence/confidence 0.9"],
    }


def test_adobes_names_and_another_keyword(predictions, photos):
    table = write(predictions[-1:], naming="lightroom", keyword=" Land cover ")
    path = Path(predictions["path"].iloc[-1])
    assert table["sidecar"].tolist() == [str(path.with_suffix(".xmp"))]
    found = lists_of(path.with_suffix(".xmp").read_bytes())
    assert found["hierarchicalSubject"][0] == "Land cover|woody"
    # The other convention's file is another one.
    assert write(predictions[-1:])["sidecar"].tolist() == [f"{path}.xmp"]


def test_two_photos_of_one_sidecar_do_not_share_it(predictions, tmp_path):
    path = Path(predictions["path"].iloc[0])
    shutil.copy(path, path.with_suffix(".png"))
    two = predictions.iloc[[0, 0]].assign(
        path=[str(path), str(path.with_suffix(".png"))], confidence=1
    )
    table = write(two, naming="lightroom")
    assert table["status"].tolist() == ["written", "refused"]
    assert table["error"][1] == "another photo has the same sidecar"
    assert (write(two)["status"] == "written").all()


def test_running_again_replaces_and_takes_out(predictions, photos):
    sure = predictions.assign(confidence=0.95)
    write(sure)
    before = contents(photos)
    assert (write(sure)["status"] == "unchanged").all()
    assert contents(photos) == before
    other = sure.assign(predicted=pd.Categorical(["woody"] * 8, CLASSES))
    table = write(other)
    is_woody = (predictions["habitat"] == "woody").to_numpy()
    assert (table["status"] == np.where(is_woody, "unchanged", "written")).all()
    assert sorted(lists_of(Path(table["sidecar"][0]).read_bytes())["subject"]) == [
        "confidence 0.9",
        "woody",
    ]
    table = write(other.assign(confidence=0.4))
    assert (table["status"] == "removed").all()
    assert not list(photos.rglob("*.xmp"))


def test_removing_leaves_what_is_not_ours(predictions, photos):
    sidecar = Path(predictions["path"].iloc[-1] + ".xmp")
    sidecar.write_bytes(DIGIKAM)
    os.chmod(sidecar, 0o640)
    write(predictions)
    assert b"confidence 0.9" in sidecar.read_bytes()
    table = write(predictions, remove=True)
    assert table["status"].value_counts().to_dict() == {"removed": 6, "unchanged": 2}
    assert list(photos.rglob("*.xmp")) == [sidecar]
    assert lists_of(sidecar.read_bytes()) == lists_of(DIGIKAM)
    assert b"lucas" not in sidecar.read_bytes()
    if os.name != "nt":
        assert sidecar.stat().st_mode & 0o777 == 0o640
    assert (write(predictions, remove=True)["status"] == "unchanged").all()


# ---- sidecars of others -------------------------------------------------------------------------


def test_everything_else_in_a_sidecar_stays():
    data = edited(DIGIKAM, keywords_of("woody", 0.93, "Habitat"))
    text = data.decode()
    assert lists_of(data) == {
        "subject": ["Åse", "woody", "confidence 0.9"],
        "hierarchicalSubject": ["Habitat|woody", "Habitat|confidence|confidence 0.9"],
        "TagsList": ["People/Åse", "Habitat/woody", "Habitat/confidence/confidence 0.9"],
    }
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<?xpacket begin="\ufeff"')
    assert text.endswith('<?xpacket end="w"?>\n')
    assert "<!-- kept -->" in text
    assert 'odd:note="two&#10;lines &lt;&quot;&amp;"' in text
    assert (
        '<odd:struct rdf:parseType="Resource"><odd:a><![CDATA[<x>]]></odd:a></odd:struct>' in text
    )
    # A person's own woody stays when ours goes, and a second time nothing changes.
    assert edited(data, keywords_of("woody", 0.93, "Habitat")) is None
    assert lists_of(edited(data, None)) == lists_of(DIGIKAM)
    cropland = edited(data, keywords_of("cropland", 0.85, "Habitat"))
    assert lists_of(cropland)["subject"] == ["Åse", "woody", "cropland", "confidence 0.8"]
    assert edited(DIGIKAM, None) is None


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "iso-8859-1"])
def test_other_encodings_are_read(encoding):
    text = DIGIKAM.decode().replace("UTF-8", encoding.upper().removesuffix("-SIG"))
    if encoding == "iso-8859-1":
        text = text.replace("\ufeff", "")
    data = edited(text.encode(encoding), keywords_of("woody", 1, "Habitat"))
    assert lists_of(data)["subject"] == ["Åse", "woody", "confidence 0.9"]


def test_other_prefixes_are_read():
    text = (
        '<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><r:Description r:about="uuid:1" '
        'xmlns:d="http://purl.org/dc/elements/1.1/"><d:subject><r:Seq><r:li>mine</r:li></r:Seq></d:subject>'
        "</r:Description></r:RDF>"
    )
    data = edited(text.encode(), keywords_of("woody", 0.9, "Habitat")).decode()
    assert "<r:li>mine</r:li>" in data
    assert "<r:li>woody</r:li>" in data
    assert "dc:subject" not in data
    assert data.count('r:about="uuid:1"') == 4
    assert edited(data.encode(), keywords_of("woody", 0.9, "Habitat")) is None


BOMB = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>
<x:xmpmeta xmlns:x="adobe:ns:meta/">&b;</x:xmpmeta>"""
OUTSIDE = b"""<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>"""
PLAIN_SUBJECT = DIGIKAM.replace(b'odd:rating="4"', b'dc:subject="woody"')
TEXT_SUBJECT = (
    DIGIKAM[: DIGIKAM.index(b"<dc:subject>")]
    + b"<dc:subject>woody</dc:subject>"
    + DIGIKAM[DIGIKAM.index(b"<odd:struct") :]
)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no XML"),
        (b"not xml", "no XML"),
        (DIGIKAM[:400], "no XML"),
        (b"\x00\xff" * 40, "no XML"),
        (BOMB, "document type"),
        (OUTSIDE, "document type"),
        (b"<a/>", "holds no XMP"),
        (b"<a>" * 200 + b"</a>" * 200, "nested too deeply"),
        (PLAIN_SUBJECT, "dc:subject is no list"),
        (TEXT_SUBJECT, "dc:subject is no list"),
        (DIGIKAM.replace(b"<!-- kept -->", b"").replace(b"<rdf:RDF", b"<a><rdf:RDF").replace(
            b"</rdf:RDF>", b'</rdf:RDF><r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></a>'
        ), "several times"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)} bytes",
)  # fmt: skip
def test_a_sidecar_that_is_no_plain_xmp_stays_as_it_is(predictions, data, message):
    sidecar = Path(predictions["path"].iloc[-1] + ".xmp")
    sidecar.write_bytes(data)
    table = write(predictions)
    assert table["status"].iloc[-1] == "refused"
    assert message in table["error"].iloc[-1]
    assert sidecar.read_bytes() == data
    assert (table["status"] == "written").sum() == 5
    with pytest.raises(XmpError, match=message):
        edited(data, keywords_of("woody", 0.9, "Habitat"))


def test_what_cannot_have_a_sidecar_is_refused_with_the_reason(predictions, tmp_path):
    shard = tmp_path / "photos.tar"
    with tarfile.open(shard, "w") as tar:
        tar.add(predictions["path"][0], "a.jpg")
    table = predictions.assign(confidence=1)
    table.loc[0, "path"] = f"{shard}::a.jpg"
    table.loc[1, "path"] = "https://example.org/a.jpg"
    os.unlink(table["path"][2])
    table.loc[3, ["predicted", "error"]] = [None, "it ends early"]
    os.mkdir(table["path"][4] + ".xmp")
    found = write(table)
    assert found["status"].tolist() == ["refused"] * 5 + ["written"] * 3
    for error, text in zip(
        found["error"],
        ["in a shard", "far away", "no file", "ends early", "cannot be read"],
        strict=False,
    ):
        assert text in error


def test_a_sidecar_that_is_a_link_stays_one(predictions, tmp_path):
    real = tmp_path / "elsewhere.xmp"
    real.write_bytes(DIGIKAM)
    link = Path(predictions["path"].iloc[-1] + ".xmp")
    link.symlink_to(real)
    write(predictions)
    assert link.is_symlink()
    assert b"confidence 0.9" in real.read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="names differ by case here")
def test_endings_in_capitals_are_found(predictions):
    path = predictions["path"].iloc[-1]
    Path(path + ".XMP").write_bytes(DIGIKAM)
    assert write(predictions)["sidecar"].iloc[-1] == path + ".XMP"
    assert not Path(path + ".xmp").is_symlink()


def test_a_full_disk_ends_the_work_and_one_locked_file_does_not(predictions, monkeypatch):
    sure = predictions.assign(confidence=1)
    whole = writing._write

    def fails_with(number):
        def fail(tmp, data, like):
            if "north" in tmp.name:
                raise OSError(number, os.strerror(number))
            whole(tmp, data, like)

        return fail

    monkeypatch.setattr(writing, "_write", fails_with(13))
    table = write(sure)
    assert table["status"].value_counts().to_dict() == {"refused": 4, "written": 4}
    assert "you may not write there" in table["error"][0]
    monkeypatch.setattr(writing, "_write", fails_with(28))
    with pytest.raises(OutputError, match="the disk is full"):
        write(sure)


def test_bad_arguments(predictions):
    with pytest.raises(InputError, match="naming must be one of 'digikam', 'lightroom'"):
        write(predictions, naming="bridge")
    with pytest.raises(InputError, match="min_confidence must be a number"):
        write(predictions, min_confidence=2)
    with pytest.raises(InputError, match="keyword must be a word"):
        write(predictions, keyword=" ")
    with pytest.raises(InputError, match=r"write_xmp\(\) needs the column path"):
        write(predictions.drop(columns="path"))


def test_odd_class_names_are_plain_keywords():
    keywords = keywords_of('woody/shrub | <æ> & \x07"', 0.05, "Habitat")
    data = edited(None, keywords)
    assert lists_of(data) == {
        "subject": ['woody-shrub - <æ> & "', "confidence 0.0"],
        "hierarchicalSubject": [
            'Habitat|woody-shrub - <æ> & "',
            "Habitat|confidence|confidence 0.0",
        ],
        "TagsList": ['Habitat/woody-shrub - <æ> & "', "Habitat/confidence/confidence 0.0"],
    }
    (exact,) = minidom.parseString(data).getElementsByTagName("lucas:habitat")
    assert exact.firstChild.data == 'woody/shrub | <æ> & "'


@pytest.mark.parametrize(("p", "tenth"), [(0.7, "0.7"), (0.3, "0.3"), (0.6999, "0.6"), (1, "0.9")])
def test_confidence_is_told_to_a_tenth_below(p, tenth):
    assert keywords_of("a", p, "b").lists["subject"][1] == f"confidence {tenth}"


def test_a_run_is_taken_as_its_table_is(tmp_path, predictions, photos):
    run = write_run(
        tmp_path / "run", predictions.assign(**{f"p_{c}": 0.25 for c in CLASSES}), rows=3
    )
    table = write(run)
    files = contents(photos)
    assert (write(predictions)["status"] == table["status"].replace("written", "unchanged")).all()
    assert contents(photos) == files


def test_from_the_shell(predictions, photos, tmp_path, capsys):
    predictions.to_csv(tmp_path / "p.csv", index=False)
    out = tmp_path / "out.csv"
    assert (
        main(["write-xmp", str(tmp_path / "p.csv"), "--min-confidence", "0.5", "--out", str(out)])
        == 0
    )
    assert "6 sidecars were written\n2 photos are not sure enough" in capsys.readouterr().out
    assert pd.read_csv(out)["status"].value_counts().to_dict() == {"written": 6, "unsure": 2}
    assert main(["write-xmp", str(tmp_path / "p.csv"), "--remove"]) == 0
    assert not list(photos.rglob("*.xmp"))


# ---- other programs -----------------------------------------------------------------------------


@pytest.fixture
def exiftool():
    program = shutil.which("exiftool")
    if program is None:
        pytest.skip("exiftool is not here (Debian: libimage-exiftool-perl)")

    def run(*arguments):
        done = subprocess.run([program, *map(str, arguments)], capture_output=True, check=True)
        return done.stdout.decode()

    return run


def test_exiftool_reads_and_changes_what_we_wrote(predictions, exiftool):
    sidecar = write(predictions)["sidecar"].iloc[-1]
    read = json.loads(exiftool("-json", "-G1", "-XMP:all", sidecar))[0]
    assert read["XMP-dc:Subject"] == ["woody", "confidence 0.9"]
    assert read["XMP-lr:HierarchicalSubject"] == [
        "Habitat|woody",
        "Habitat|confidence|confidence 0.9",
    ]
    assert read["XMP-digiKam:TagsList"] == ["Habitat/woody", "Habitat/confidence/confidence 0.9"]
    assert "OK" in exiftool("-validate", "-warning", "-a", sidecar)
    exiftool("-overwrite_original", "-Rating=5", "-Subject+=mine", sidecar)
    assert write(predictions)["status"].iloc[-1] == "unchanged"
    write(predictions, remove=True)
    read = json.loads(exiftool("-json", "-G1", "-XMP:all", sidecar))[0]
    assert (read["XMP-dc:Subject"], read["XMP-xmp:Rating"]) == ("mine", 5)
    assert not [name for name in read if name.startswith(("XMP-lr", "XMP-digiKam", "XMP-lucas"))]


def test_exiv2_as_in_digikam_reads_and_changes_what_we_wrote(predictions):
    pyexiv2 = pytest.importorskip("pyexiv2")
    sidecar = write(predictions)["sidecar"].iloc[-1]
    with pyexiv2.Image(sidecar) as image:
        read = image.read_xmp()
        assert read["Xmp.dc.subject"] == ["woody", "confidence 0.9"]
        assert read["Xmp.digiKam.TagsList"] == [
            "Habitat/woody",
            "Habitat/confidence/confidence 0.9",
        ]
        image.modify_xmp(
            {"Xmp.xmp.Rating": "4", "Xmp.dc.subject": ["mine", *read["Xmp.dc.subject"]]}
        )
    assert write(predictions)["status"].iloc[-1] == "unchanged"
    other = predictions.assign(predicted=pd.Categorical(["cropland"] * 8, CLASSES))
    assert write(other)["status"].iloc[-1] == "written"
    with pyexiv2.Image(sidecar) as image:
        assert image.read_xmp()["Xmp.dc.subject"] == ["mine", "confidence 0.9", "cropland"]
    write(other, remove=True)
    with pyexiv2.Image(sidecar) as image:
        assert image.read_xmp() == {"Xmp.dc.subject": ["mine"], "Xmp.xmp.Rating": "4"}
