"""A report: its numbers against other libraries, its pages as a parser reads them."""
