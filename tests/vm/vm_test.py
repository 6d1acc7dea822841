"""How a test of a guest ends: 77 when all of it was skipped, as ctest is told."""
import sys
import unittest


def main():
    program = unittest.main(exit=False, verbosity=2)
    if not program.result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if program.result.testsRun == len(program.result.skipped) else 0)
