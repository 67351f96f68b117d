"""Customers as CSV: what spreadsheets write and read (F1)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

from appliance.store.customers import Customers
from appliance.store.database import Database
from appliance.store.errors import InvalidRow

COLUMNS = ("name", "company", "phones", "address", "terminal_address", "notes", "vip", "kind")

_HEADINGS = {
    "name": "name",
    "姓名": "name",
    "客户姓名": "name",
    "名称": "name",
    "company": "company",
    "公司": "company",
    "单位": "company",
    "phone": "phones",
    "phones": "phones",
    "telephone": "phones",
    "mobile": "phones",
    "tel": "phones",
    "电话": "phones",
    "手机": "phones",
    "联系电话": "phones",
    "address": "address",
    "地址": "address",
    "terminal address": "terminal_address",
    "terminal_address": "terminal_address",
    "装机地址": "terminal_address",
    "终端地址": "terminal_address",
    "notes": "notes",
    "note": "notes",
    "备注": "notes",
    "vip": "vip",
    "重要客户": "vip",
    "kind": "kind",
    "type": "kind",
    "类型": "kind",
}
_FORMULA = re.compile(r"[=+\-@\t\r\n＝＋－＠]")
_HARMLESS = re.compile(r"[+\d][\d\s()\-;+]*")
_TRUE = frozenset({"1", "yes", "true", "y", "是", "vip", "√"})
_FALSE = frozenset({"", "0", "no", "false", "n", "否"})
ROWS_PER_TRANSACTION = 500


def export_csv(customers: Customers) -> Iterator[str]:
    """CSV text in pieces, with a byte-order mark so that spreadsheets see UTF-8. A cell that a
    spreadsheet would run as a formula is given a leading apostrophe, which import takes away again."""
    yield "\ufeff" + csv_line(COLUMNS)
    offset = 0
    while True:
        rows, total = customers.search(limit=ROWS_PER_TRANSACTION, offset=offset)
        for row in rows:
            phones = ";".join(
                f"{phone['label']}={phone['number']}" if phone["label"] else phone["number"]
                for phone in row["phones"]
            )
            values = row | {"phones": phones, "vip": "1" if row["vip"] else ""}
            yield csv_line(tuple(safe_cell(str(values[column])) for column in COLUMNS))
        offset += len(rows)
        if not rows or offset >= total:
            return


def import_csv(customers: Customers, database: Database, text: str) -> dict[str, Any]:
    """Add or update customers from CSV (comma, semicolon or tab; headings in Chinese or English).

    A row whose number belongs to a customer already updates that customer. Returns {"added",
    "updated", "errors": [{"line", "problem", "problems"}]}; a bad row is reported and the rest goes on.
    Raises InvalidRow when the text as a whole is no such table.
    """
    text = text.removeprefix("\ufeff")
    if "\x00" in text:
        raise InvalidRow(["this file is no CSV text; save the sheet as CSV in UTF-8"])
    first_line = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        headings = next(reader, [])
        columns = [_heading(heading) for heading in headings]
        if not {"name", "company", "phones"} & set(columns):
            raise InvalidRow(
                ["the first line must name the columns: name, company or phone (姓名, 公司, 电话) at least"]
            )
        rows = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise InvalidRow([f"line {reader.line_num} is no CSV: {error}"]) from error
    report: dict[str, Any] = {"added": 0, "updated": 0, "errors": []}
    for start in range(0, len(rows), ROWS_PER_TRANSACTION):
        with database.write():
            for line, cells in rows[start : start + ROWS_PER_TRANSACTION]:
                try:
                    report[_import_row(customers, columns, cells)] += 1
                except InvalidRow as error:
                    found = {"line": line, "problem": str(error), "problems": error.problems}
                    report["errors"].append(found)
    return report


def _heading(text: str) -> str:
    return _HEADINGS.get(re.sub(r"\s*\d+$", "", text.strip().casefold()), "")


def _import_row(customers: Customers, columns: list[str], cells: list[str]) -> str:
    if len(cells) > len(columns):
        raise InvalidRow([f"has {len(cells)} cells but there are {len(columns)} columns"])
    data: dict[str, Any] = {}
    phones: list[dict[str, str]] = []
    for column, cell in zip(columns, cells, strict=False):
        value = cell[1:] if cell.startswith("'") and _FORMULA.match(cell[1:2]) else cell
        value = value.strip()
        if column == "phones":
            phones += [_phone(part) for part in re.split(r"[;；/、\n]+", value) if part.strip()]
        elif column == "vip":
            if value.casefold() not in _TRUE | _FALSE:
                raise InvalidRow([f"vip must be yes or no, not {value!r}"])
            data["vip"] = value.casefold() in _TRUE
        elif column and value:
            data[column] = value
    known = next((found for p in phones if (found := customers.by_phone(p["number"]))), None)
    if known is None:
        customers.add(data | {"phones": phones})
        return "added"
    customers.update(known["id"], data | {"phones": known["phones"] + phones})
    return "updated"


def _phone(text: str) -> dict[str, str]:
    label, _, number = text.rpartition("=")
    return {"number": number.strip(), "label": label.strip()}


def safe_cell(cell: str) -> str:
    """The cell, with an apostrophe before what a spreadsheet would run (OWASP, "CSV injection")."""
    if _FORMULA.match(cell) and not _HARMLESS.fullmatch(cell):
        return "'" + cell
    return cell


def csv_line(cells: Sequence[str]) -> str:
    """One line of a CSV file (RFC 4180)."""
    out = io.StringIO(newline="")
    csv.writer(out).writerow(cells)
    return out.getvalue()
