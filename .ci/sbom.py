"""What runnerctl brings with it: PYTHON .ci/sbom.py FILE writes its software bill of materials (CycloneDX, JSON).

Fails for what must not be in there: an import that setup.cfg does not name, a part without a licence that is known, and
one whose licence would bind whoever passes runnerctl on.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

OURS = "runnerctl"
FREE = ("MIT", "BSD", "APACHE", "PSF", "PYTHON SOFTWARE FOUNDATION", "ISC", "MPL", "MOZILLA PUBLIC")
"""Licences, by how they begin or what they are called, that ask for no more than being named."""


def main(file: Path) -> int:
    parts = closure(OURS)
    problems = [
        *_undeclared(),
        *(f"{each.name}: no licence that is known ({_licence(each)!r})" for each in parts if not _is_free(each)),
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(JsonV1Dot6(_bom(parts)).output_as_string(indent=2))
    print(*problems, f"{file}: {len(parts)} parts, {len(problems)} problems", sep="\n")
    return 1 if problems else 0


def closure(name: str) -> list[metadata.Distribution]:
    """All that is installed with it, itself first; what only its extras need is not."""
    found: dict[str, metadata.Distribution] = {}
    wanted = [Requirement(name)]
    while wanted:
        requirement = wanted.pop()
        key = canonicalize_name(requirement.name)
        extras = requirement.extras or {""}
        if key not in found:
            found[key] = metadata.distribution(requirement.name)
        for text in found[key].requires or ():
            needed = Requirement(text)
            if canonicalize_name(needed.name) not in found and (
                needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras)
            ):
                wanted.append(needed)
    return list(found.values())


def _undeclared() -> Iterator[str]:
    declared = {
        canonicalize_name(Requirement(text).name) for text in metadata.requires(OURS) or () if "extra ==" not in text
    }
    known = metadata.packages_distributions()
    for module in sorted(_imported(Path(OURS))):
        owners = {canonicalize_name(each) for each in known.get(module, ())}
        if owners and not owners & {*declared, OURS}:
            yield f"{module} is imported, and setup.cfg does not name {' or '.join(sorted(owners))}"


def _imported(directory: Path) -> set[str]:
    """The top names of all modules that ours import, wherever."""
    names: set[str] = set()
    for path in directory.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names.update(each.name.partition(".")[0] for each in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names)


def _licence(part: metadata.Distribution) -> str:
    said = part.metadata
    classified = [each.rpartition(":: ")[2] for each in said.get_all("Classifier", ()) if each.startswith("License ::")]
    return said.get("License-Expression") or ", ".join(classified) or (said.get("License") or "").split("\n")[0]


def _is_free(part: metadata.Distribution) -> bool:
    return any(each in _licence(part).upper() for each in FREE)


def _bom(parts: list[metadata.Distribution]) -> Bom:
    bom = Bom(components=[_component(each) for each in parts[1:]])
    bom.metadata.component = _component(parts[0])
    by_name = {canonicalize_name(each.name): each for each in [bom.metadata.component, *bom.components]}
    for part in parts:
        needs = [by_name.get(canonicalize_name(Requirement(text).name)) for text in part.requires or ()]
        bom.register_dependency(by_name[canonicalize_name(part.name)], [each for each in needs if each is not None])
    return bom


def _component(part: metadata.Distribution) -> Component:
    name = canonicalize_name(part.name)
    return Component(
        name=name,
        version=part.version,
        type=ComponentType.APPLICATION if name == OURS else ComponentType.LIBRARY,
        licenses=[LicenseFactory().make_from_string(_licence(part))],
        purl=PackageURL(type="pypi", name=name, version=part.version),
        bom_ref=f"{name}@{part.version}",
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
