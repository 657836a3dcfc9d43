"""Files wherever they lie: local folders, mounted shares and object stores, and the reports folder."""
