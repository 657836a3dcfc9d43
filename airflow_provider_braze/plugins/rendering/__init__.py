"""How the pages say and draw what they show, and where they are; below them stands nothing."""
