"""The processes beside a program: `python -m tesseract zygote DESCRIPTOR CONTRACT [LIBRARY...]` and
`python -m tesseract stager DESCRIPTOR`. The program starts them; nobody else needs to."""

import sys

from tesseract import stager, zygote

if sys.argv[1] == "zygote":
    zygote.main(int(sys.argv[2]), sys.argv[3], sys.argv[4:])
else:
    stager.main(int(sys.argv[2]))
