"""The files in which MNIST and Fashion-MNIST are published: their sizes, their hashes and who serves them.

A file whose content is not theirs is never used, wherever it comes from.
"""

from typing import NamedTuple


class File(NamedTuple):
    name: str
    size: int  # bytes
    sha256: str
    unpacked: str | None = None  # the SHA-256 of what a .gz holds, where it is known

    @property
    def names(self) -> tuple[str, ...]:
        """Its own name, and those under which it is found where somebody has unpacked it, or written it with a dot."""
        if not self.name.endswith(".gz"):
            return (self.name,)
        dotted = self.name.replace("-idx", ".idx")
        return (self.name, dotted, self.name.removesuffix(".gz"), dotted.removesuffix(".gz"))


class Source(NamedTuple):
    """One form in which a data set is published: files that are needed together, and addresses that serve them."""

    files: tuple[File, ...]
    mirrors: tuple[str, ...]


def idx_files(*published: tuple[int, str] | tuple[int, str, str]) -> tuple[File, ...]:
    """Training images and labels, test images and labels; the names are the same for MNIST and Fashion-MNIST."""
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    return tuple(File(f"{name}-ubyte.gz", *told) for name, told in zip(names, published, strict=True))


DIGITS = Source(
    files=(File("digits.npz", 1_646_432, "0c60e9cc58268284d33ca19d4492713726841c11d5a9ac1d199ef4e978640657"),),
    mirrors=(),  # it ships with the package
)
MNIST = Source(
    files=idx_files(
        (
            9_912_422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        (
            28_881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        (
            1_648_877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        (
            4_542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
)
MNIST_KERAS = Source(  # the same arrays in one file
    files=(File("mnist.npz", 11_490_434, "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"),),
    mirrors=("https://storage.googleapis.com/tensorflow/tf-keras-datasets/",),
)
FASHION = Source(
    files=idx_files(
        (26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
        (29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        (4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        (5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    ),
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    ),
)
SOURCES = {"digits": (DIGITS,), "full": (MNIST, MNIST_KERAS), "fashion": (FASHION,)}  # any one of them is enough
