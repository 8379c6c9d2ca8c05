"""A trained network for programs that know nothing of mrjax.

Each format is a module with ``files(found, asked)``, which returns the content of a folder by name;
`folder.write` puts them on the disk. ``networks`` and ``scripts`` hold files that are copied as
they are, so they import nothing of mrjax.
"""
