"""What an entry gives of the text, were it a query."""

from embfeast.tricks.plain_embedding import PlainEmbedding
from embfeast.tricks.proposal import ProposalSample


class QueryEmbedding(PlainEmbedding):
    """What an entry gives of the text read as a query: with the model's prompt of queries.

    The entry's own fitted state is used, so that queries and documents lie in one space.
    """

    purpose = "the text read as a query"
    baseline = False
    as_query = True

    @classmethod
    def propose(cls, sample: ProposalSample) -> None:
        """Propose nothing: few models read queries otherwise."""
