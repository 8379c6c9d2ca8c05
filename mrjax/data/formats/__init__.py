"""Readers and writers of the file formats that users have.

Units and the order of axes are settled here: the rest of mrjax knows only ppm, mm, T and s, and the
axes that `mrjax.arrays` describes.
"""
