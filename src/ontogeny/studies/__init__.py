"""Published findings, one a file; a file that is here is a study of the package."""
