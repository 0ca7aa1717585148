"""The balanced assignment of BASE layers, compiled from the one file of fairseq that it is in."""

import sys
from pathlib import Path

from torch.utils.cpp_extension import load

SOURCE = next(
    path for place in sys.path if (path := Path(place, "fairseq/clib/libbase/balanced_assignment.cpp")).exists()
)
balanced_assignment = load(name="libbase", sources=[str(SOURCE)]).balanced_assignment
