"""May every value of the old schema be one of the new? Judged by type alone, so that a yes holds for every value.

A decoder chooses among the members of a union by what it finds in the bytes (an integer, text, an object with a
tag), not by what would fit. So an old member must fit each new member that the decoder may choose for it: `int` does
not fit `Annotated[int, Meta(ge=0)] | float`, although every integer is a valid float.
"""

from collections.abc import Iterator

from tesseract.schema import Field, Limit, Record, Schema, Shape, all_parts, family_of_value, members

EXACT_INTEGER_MAX = 2**53
"""Up to here every integer is a float of equal value, and a bound means the same for both."""


class Judge:
    """Compares two schemas; collects notes, fields to refold, and problems with their paths."""

    def __init__(self, old: Schema, new: Schema, seen: frozenset[tuple[str, str]] = frozenset()) -> None:
        self.old, self.new = old, new
        self.notes: list[str] = []
        self.refold: list[str] = []
        self.refold_notes: list[str] = []
        self.problems: list[str] = []
        self._seen = set(seen)

    def records(self, old_name: str, new_name: str, path: str) -> None:
        """A pair of records is judged where it is met first; a recursive type meets itself again."""
        if (old_name, new_name) in self._seen:
            return
        self._seen.add((old_name, new_name))
        old, new = self.old.records[old_name], self.new.records[new_name]
        if (old.layout, old.tag, old.tag_field) != (new.layout, new.tag, new.tag_field):
            self.problems.append(f"{path}: {new_name} has another layout or tag; {_WRITE_MIGRATE}")
            return
        kept, gone, added = _matched(old, new)
        for before, after in kept:
            self._kept(before, after, path, is_omitted=old.omits_defaults)
        renamed = self._renamed(gone, added, path)
        self._gone([field for field in gone if field not in renamed], path, is_forbidden=new.forbids_unknown)
        self._added([field for field in added if field not in renamed], path)

    def _kept(self, before: Field, after: Field, path: str, *, is_omitted: bool) -> None:
        place = f"{path}.{after.name}"
        if before.name != after.name:
            self.problems.append(f"{place} stands where {path}.{before.name} stood; {_WRITE_MIGRATE}")
            return
        if after.required and not before.required:
            self.problems.append(f"{place} has lost its default, and may be absent; {_WRITE_MIGRATE}")
        elif is_omitted and before.default != after.default:
            text = f"its default was{before.default_text}, is now{after.default_text}, and is not written"
            self.problems.append(f"{place}: {text}; {_WRITE_MIGRATE}")
        self.shapes(before.shape, after.shape, place)

    def _renamed(self, gone: list[Field], added: list[Field], path: str) -> list[Field]:
        """Fields that look renamed. One that is marked refold says itself where its value comes from."""
        renamed: list[Field] = []
        for old in gone:
            alike = [new for new in added if not self._is_folded(new, path) and self._is_alike(old, new)]
            if alike:
                names = " or ".join(f"{path}.{new.wire}" for new in alike)
                self.problems.append(
                    f"{path}.{old.wire} is gone and {names} is new: if it was renamed, "
                    "migrate(old, old_schema) must carry it"
                )
                renamed += [old, *alike]
        return renamed

    def _is_alike(self, old: Field, new: Field) -> bool:
        return old.name == new.name or self.fits(old.shape, new.shape)

    def _is_folded(self, field: Field, path: str) -> bool:
        return field.refold and "." not in path

    def fits(self, old: Shape, new: Shape) -> bool:
        """Whether every value of `old` is valid in `new`; notes nothing."""
        trial = Judge(self.old, self.new, frozenset(self._seen))
        trial.shapes(old, new, "")
        return not trial.problems

    def _gone(self, fields: list[Field], path: str, *, is_forbidden: bool) -> None:
        for field in fields:
            if is_forbidden:
                self.problems.append(f"{path}.{field.name} is gone, and unknown fields are forbidden; {_WRITE_MIGRATE}")
            else:
                self.notes.append(f"{path}.{field.name} is dropped")

    def _added(self, fields: list[Field], path: str) -> None:
        for field in fields:
            place = f"{path}.{field.name}"
            if field.required:
                self.problems.append(f"{place} is new and has no default; give it one, or {_WRITE_MIGRATE}")
            elif self._is_folded(field, path):
                self.refold.append(field.name)
                self.refold_notes.append(f"{place} is new and is folded from the tape")
                self.notes.append(self.refold_notes[-1])
            else:
                self.notes.append(f"{place} is new and starts at its default{field.default_text}")

    def shapes(self, old: Shape, new: Shape, path: str) -> None:
        if old == new and all(part.kind not in ("record", "undeclared") for part in all_parts(old)):
            return
        for member in members(old):
            chosen = self._chosen(member, members(new))
            if not chosen:
                self._refuse(old, new, path)
            for candidate in chosen:
                self._one(member, candidate, path)

    def _chosen(self, member: Shape, candidates: tuple[Shape, ...]) -> list[Shape]:
        """Every new member that a decoder may choose for a value of this old member."""
        family = _family(member, self.old)
        chosen = [shape for shape in candidates if _family(shape, self.new) == family]
        if not chosen and family == "integer":
            chosen = [shape for shape in candidates if shape.kind == "number"]
        if member.kind == "record" and len(chosen) > 1:
            tag = self.old.records[member.name].tag
            chosen = [shape for shape in chosen if shape.name and self.new.records[shape.name].tag == tag]
        return chosen

    def _one(self, old: Shape, new: Shape, path: str) -> None:
        if old.kind == new.kind == "record":
            self.records(old.name, new.name, path)
        elif not _fits_outside(old, new):
            self._refuse(old, new, path)
        else:
            for before, after, suffix in _inner(old, new):
                self.shapes(before, after, path + suffix)

    def _refuse(self, old: Shape, new: Shape, path: str) -> None:
        text = f"{path}: was {_label(old)}, is now {_label(new)}, and not every value fits; {_WRITE_MIGRATE}"
        if text not in self.problems:
            self.problems.append(text)


_WRITE_MIGRATE = "write migrate(old, old_schema)"
_Matched = tuple[list[tuple[Field, Field]], list[Field], list[Field]]


def _matched(old: Record, new: Record) -> _Matched:
    """Fields that hold the same place in the bytes, those that are gone, and those that are new."""
    if new.layout == "array":
        kept = list(zip(old.fields, new.fields, strict=False))
        return kept, list(old.fields[len(kept) :]), list(new.fields[len(kept) :])
    before, after = ({field.wire: field for field in record.fields} for record in (old, new))
    return (
        [(before[wire], field) for wire, field in after.items() if wire in before],
        [field for wire, field in before.items() if wire not in after],
        [field for wire, field in after.items() if wire not in before],
    )


_FAMILIES = {
    **dict.fromkeys(("string", "datetime", "time", "date", "timedelta", "uuid", "decimal"), "text"),
    **dict.fromkeys(("array", "set", "tuple"), "array"),
    "dict": "object",
}
"""What a decoder can tell apart in the bytes before it looks at a union's members."""


def _family(shape: Shape, schema: Schema) -> str:
    if shape.kind == "record":
        return schema.records[shape.name].layout
    if shape.kind == "enum":
        family = family_of_value(shape.values[0])
        return "text" if family == "string" else family
    return _FAMILIES.get(shape.kind, shape.kind)


def _fits_outside(old: Shape, new: Shape) -> bool:
    """Kind and limits, without a look at the parts."""
    if old.kind == "enum":
        wanted = {"enum"} if new.kind == "enum" else {*_WIDER_THAN_VALUES[family_of_value(old.values[0])]}
        return new.kind in wanted and (set(old.values) <= set(new.values) if new.values else not new.limits)
    if old.kind == "tuple":
        size: dict[str, Limit] = {"min_length": len(old.parts), "max_length": len(old.parts)}
        return new.kind in ("tuple", "array") and _is_within(size, _size_of(new), old.kind)
    if (old.kind, new.kind) == ("integer", "number"):
        return _is_exact(new.limits) and _is_within(old.limits, new.limits, old.kind)
    is_same_kind = old.kind == new.kind and old.kind != "undeclared"
    return (is_same_kind or (old.kind, new.kind) == ("set", "array")) and _is_within(old.limits, new.limits, old.kind)


_WIDER_THAN_VALUES = {"integer": ("integer", "number"), "string": ("string",), "boolean": ("boolean",)}


def _size_of(shape: Shape) -> dict[str, Limit]:
    if shape.kind == "tuple":
        return {"min_length": len(shape.parts), "max_length": len(shape.parts)}
    return shape.limits


def _is_exact(limits: dict[str, Limit]) -> bool:
    """Whether these limits of a float say the same for every integer, rounded or not."""
    bounds = [value for value in limits.values() if not isinstance(value, str)]
    return "multiple_of" not in limits and all(abs(bound) <= EXACT_INTEGER_MAX for bound in bounds)


def _is_within(old: dict[str, Limit], new: dict[str, Limit], kind: str) -> bool:
    if any(name in new and new[name] != old.get(name) for name in ("multiple_of", "pattern", "tz")):
        return False
    for names, sign in ((("ge", "gt"), 1), (("le", "lt"), -1), (("min_length", ""), 1), (("max_length", ""), -1)):
        wanted, given = _bound(new, names, sign, kind), _bound(old, names, sign, kind)
        if wanted is not None and (given is None or given < wanted):
            return False
    return True


def _bound(limits: dict[str, Limit], names: tuple[str, str], sign: int, kind: str) -> tuple[float, bool] | None:
    """A lower bound as (value, whether it is excluded); an upper one with its sign turned. The higher, the tighter."""
    inclusive, exclusive = names
    value = limits.get(inclusive, limits.get(exclusive))
    if value is None:
        return None
    assert not isinstance(value, str), f"{names} are numbers"
    bound, is_excluded = sign * value, inclusive not in limits
    return (bound + 1, False) if is_excluded and kind == "integer" and isinstance(bound, int) else (bound, is_excluded)


def _inner(old: Shape, new: Shape) -> Iterator[tuple[Shape, Shape, str]]:
    if old.kind == "tuple":
        afters = new.parts if new.kind == "tuple" else new.parts * len(old.parts)
        for place, (before, after) in enumerate(zip(old.parts, afters, strict=True)):
            yield before, after, f"[{place}]"
    elif old.kind == "dict":
        yield old.parts[0], new.parts[0], "{key}"
        yield old.parts[1], new.parts[1], "{}"
    elif old.parts:
        yield old.parts[0], new.parts[0], "[]"


def _label(shape: Shape) -> str:
    """The type in the words of a refusal."""
    if shape.kind == "union":
        return " or ".join(map(_label, shape.parts))
    if shape.kind == "enum":
        return f"one of {', '.join(map(repr, shape.values))}"
    limits = ", ".join(f"{name} {value}" for name, value in sorted(shape.limits.items()))
    parts = f" of {', '.join(map(_label, shape.parts))}" if shape.parts else ""
    return f"{shape.name or shape.kind}{parts}{f' ({limits})' if limits else ''}"
