"""Files of other systems: any header, delimiter and encoding; what cannot be read is named."""

import pytest

from entrypoints.cli.inventories import FIELDS, read_inventory, read_mapping
from entrypoints.exits import Exit, Failure


@pytest.fixture
def file(tmp_path):
    """Write a file, and return its path."""

    def write(data):
        path = tmp_path / "file.csv"
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return write


@pytest.mark.parametrize(
    ("data", "serials"),
    [
        ("Serial Number\nF9FX0001\n", {"F9FX0001"}),
        ("\ufeffDevice;SERIAL_NUMBER\nMac;F9FX0001\n;\n", {"F9FX0001"}),
        ("name\tserial-number\nLab\tF9FX0001\nLab\t\n".encode("utf-16"), {"F9FX0001"}),
        ("Gerät,Seriennummer\nGerät 1,F9FX0001\n".encode("cp1252"), {"F9FX0001"}),
        ('serial,notes\n"F9FX0001","two\nlines"\n="0012345678",x\n', {"F9FX0001", "0012345678"}),
        ("F9FX0001\nF9FX0002\n", {"F9FX0001", "F9FX0002"}),
        ("serial\n F9FX0001 \n'F9FX0002\nF9FX0001\n", {"F9FX0001", "F9FX0002"}),
        ("sep=;\nDevice;serial\nMac;F9FX0001\n", {"F9FX0001"}),
    ],
)
def test_files_as_they_come(file, data, serials):
    """Headers of many names, delimiters, encodings, marks of spreadsheets, and a bare list are read."""
    assert read_inventory(file(data), ["serial_number"], {}).values("serial_number") == serials


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("", "file.csv is empty."),
        ("\n \n", "file.csv is empty."),
        ("Serial Number\n", "has a header, and no rows"),
        ("Serial Number,Model\n,Mac\n", "the cells below Serial Number are empty"),
        ("Asset,Owner\n1,me\n", "its columns are Asset, Owner. --map FIELD=HEADER says which is which"),
        (b"PK\x03\x04and more", "is a workbook: save the sheet as CSV"),
        (b"\x7fELF\x00\x01", "is no text"),
        ('serial,model\nF9FX0001,"15 inch Mac\nF9FX0002,Mac\n', "is no CSV file"),
        ("Serial Number\n\n\n1.23E+10\n", "row 4: a spreadsheet has shortened the serial_number to 1.23E+10"),
        ("Serial Number\n" + "x" * 200_000 + "\n", "is no CSV file"),
    ],
)
def test_a_file_that_cannot_be_read(file, data, words):
    """What is wrong with a file is said in a sentence that names it, and what to do."""
    with pytest.raises(Failure) as caught:
        read_inventory(file(data), ["serial_number"], {})
    assert words in str(caught.value)
    assert caught.value.status is Exit.USAGE


def test_no_file(tmp_path):
    """A file that is not there, and a folder, are named."""
    for path in (tmp_path, tmp_path / "none.csv"):
        with pytest.raises(Failure, match=f"{path} cannot be read"):
            read_inventory(path, ["serial_number"], {})


def test_a_mapping_wins(file):
    """A header that is named is taken, whatever it is called, and instead of one with a usual name."""
    path = file("Serial,Asset Tag\nF9FX0001,F9FX0002\n")
    inventory = read_inventory(path, ["serial_number"], read_mapping(["serial_number=asset tag"]))
    assert inventory.values("serial_number") == {"F9FX0002"}
    assert inventory.headers == {"serial_number": "Asset Tag"}
    with pytest.raises(Failure, match="has no column 'Tag': its columns are Serial, Asset Tag"):
        read_inventory(path, ["serial_number"], {"serial_number": "Tag"})


@pytest.mark.parametrize("text", ["serial_number", "serial=Tag", "serial_number= "])
def test_a_wrong_mapping(text):
    """A mapping of a field that is none, or to nothing, is refused, with the fields that there are."""
    with pytest.raises(Failure, match=f"and not '{text}'. The fields are serial_number, client_user_id"):
        read_mapping([text])


def test_the_name_of_a_device_is_no_app(file):
    """A column called name is an app's only in a file that names no holders."""
    of_devices = read_inventory(file("Name,Serial Number\nLab 1,F9FX0001\n"), list(FIELDS), {})
    assert list(of_devices.headers) == ["serial_number"]
    of_apps = read_inventory(file("Name,Used\nKeynote,3\n"), list(FIELDS), {})
    assert of_apps.headers == {"name": "Name", "assigned": "Used"}
    devices = read_inventory(file("Serial Number,Identifier\nF9FX0001,00008030-1\n"), list(FIELDS), {})
    assert list(devices.headers) == ["serial_number"]
