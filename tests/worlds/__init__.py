"""What a part under test stands in, behind one face for each kind of part."""
