"""`python -m catalogue`: rewrite the generated tables of docs/."""

from catalogue.documents import write

if __name__ == "__main__":
    for path in write():
        print(path)
