"""The published balancers, as their papers state them."""

if __name__ == "reference":
    raise ImportError("import equipoise.reference, not the bare folder `reference`")
