"""The speed of the stores of refresh families, compared with the minimum that their databases must do."""
