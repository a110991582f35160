"""Prints what a library of any platform gives and takes, as JSON: python inspect_library.py FILE"""

import json
import sys

import lief

binary = lief.parse(sys.argv[1])
if isinstance(binary, lief.ELF.Binary):
    found = {
        "machine": str(binary.header.machine_type).split(".")[-1],
        "exports": [s.name for s in binary.exported_symbols],
        "imports": [s.name for s in binary.imported_symbols if s.binding != lief.ELF.Symbol.BINDING.WEAK],
        "libraries": list(binary.libraries),
        "versions": [v.name for r in binary.symbols_version_requirement for v in r.get_auxiliary_symbols()],
        "executableStack": any(
            s.type == lief.ELF.Segment.TYPE.GNU_STACK and int(s.flags) & 1 for s in binary.segments
        ),
    }
elif isinstance(binary, lief.MachO.Binary):
    found = {
        "machine": str(binary.header.cpu_type).split(".")[-1],
        "exports": [s.name.removeprefix("_") for s in binary.exported_symbols],
        "imports": [s.name.removeprefix("_") for s in binary.imported_symbols],
        "libraries": [library.name for library in binary.libraries if library.command != lief.MachO.LoadCommand.TYPE.ID_DYLIB],
        "signed": binary.has_code_signature,
        "oldestSystem": ".".join(map(str, binary.build_version.minos)) if binary.has_build_version else None,
    }
elif isinstance(binary, lief.PE.Binary):
    found = {
        "machine": str(binary.header.machine).split(".")[-1],
        "exports": [e.name for e in binary.get_export().entries],
        "imports": [e.name for i in binary.imports for e in i.entries],
        "libraries": [i.name for i in binary.imports],
    }
else:
    raise SystemExit(f"{sys.argv[1]}: not a library")
print(json.dumps(found))
