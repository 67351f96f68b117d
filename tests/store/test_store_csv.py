"""Customers in and out as CSV, and what hostile or clumsy files do."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.store import InvalidRow, open_store


def test_headings_in_chinese_and_several_phone_columns(store):
    text = "姓名,公司,手机,电话,备注,重要客户\n王芳,Acme,13800138000,021-5555 1234,老客户,是\n李伟,,,,x,\n"
    assert store.customers.import_csv(text) == {"added": 2, "updated": 0, "errors": []}
    wang = store.customers.by_phone("02155551234")
    assert (wang["name"], wang["vip"], len(wang["phones"])) == ("王芳", True, 2)


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_and_a_byte_order_mark(store, delimiter):
    text = (
        "\ufeff"
        + delimiter.join(["Name", "Phone"])
        + "\r\n"
        + delimiter.join(["Ann", "13800138000"])
        + "\r\n"
    )
    assert store.customers.import_csv(text)["added"] == 1
    assert store.customers.by_phone("13800138000")["name"] == "Ann"


def test_a_known_number_updates_that_customer(store):
    customer = store.customers.add(
        {"name": "Wang", "notes": "keep me", "phones": [{"number": "13800138000"}]}
    )
    report = store.customers.import_csv("name,phone,phone2\nWang Fang,+86 138 0013 8000,95588\n")
    assert report == {"added": 0, "updated": 1, "errors": []}
    row = store.customers.get(customer)
    assert (row["name"], row["notes"]) == ("Wang Fang", "keep me")
    assert [phone["number"] for phone in row["phones"]] == ["13800138000", "95588"]


def test_bad_rows_are_named_by_line_and_the_rest_goes_in(store):
    text = 'name,phone,vip\nA,13800138000,\nB,nonsense,\nC,,maybe\n,,\n"D\nD",,\nE,1,2,3,4\n'
    report = store.customers.import_csv(text)
    assert report["added"] == 2
    assert [error["line"] for error in report["errors"]] == [3, 4, 8]
    assert "'nonsense' is not a telephone number" in report["errors"][0]["problem"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "just some text",
        "a,b,c\n1,2,3\n",
        "PK\x03\x04\x00\x00binary",
        "name\x00,phone\n",
        'name,"phone\n',
    ],
)
def test_a_file_that_is_no_table_of_customers_is_refused(store, text):
    with pytest.raises(InvalidRow) as caught:
        store.customers.import_csv(text)
    assert len(caught.value.problems) == 1
    assert store.customers.count() == 0


@pytest.mark.parametrize("evil", ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3", '=HYPERLINK("http://x")'])
def test_a_cell_that_a_spreadsheet_would_run_is_made_harmless_and_comes_back_whole(store, evil, tmp_path):
    store.customers.add({"name": "x", "notes": evil})
    text = store.customers.export_csv()
    [row] = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    assert row["notes"] == "'" + evil
    other = open_store(tmp_path / "other.db")
    other.customers.import_csv(text)
    assert other.customers.search()[0][0]["notes"] == evil
    other.close()


line_text = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=20).map(str.strip)


@settings(max_examples=10)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "name": line_text,
                "company": line_text,
                "address": line_text,
                "notes": line_text,
                "vip": st.booleans(),
                "number": st.integers(0, 99_999_999).map(lambda n: f"139{n:08d}"),
            }
        ),
        max_size=5,
        unique_by=lambda row: row["number"],
    )
)
def test_what_is_exported_is_imported_unchanged(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("csv")
    first, second = open_store(folder / "a.db"), open_store(folder / "b.db")
    with first.transaction():
        for row in rows:
            number = row.pop("number")
            first.customers.add(row | {"phones": [{"number": number, "label": ""}]})
    assert second.customers.import_csv(first.customers.export_csv())["errors"] == []
    names = ("name", "company", "address", "notes", "vip", "phones")
    seen = [
        sorted(([row[n] for n in names] for row in s.customers.search()[0]), key=str) for s in (first, second)
    ]
    assert seen[0] == seen[1]
    first.close()
    second.close()


def test_export_has_every_customer(store):
    with store.transaction():
        for number in range(1203):
            store.customers.add({"name": f"c{number}"})
    lines = store.customers.export_csv().splitlines()
    assert len(lines) == 1204 and len(set(lines)) == 1204
