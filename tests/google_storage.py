"""A stand-in for Google's storage: moto's S3 server, which is told Google's words in Amazon's.

Google's XML interface, which delta-rs speaks, is Amazon's but for headers and who may write.
fake-gcs-server, which is Google's alone, answers 400 to an upload in pieces.
"""

import sys
from collections.abc import Callable, Iterable
from typing import Any

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

# moto tells by it that S3 is meant; who asks is not checked.
SIGNED = "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request, Signature=x"


class InGooglesWords:
    """Take requests of Google's clients: what is there at no generation is not to be there."""

    def __init__(self) -> None:
        self._amazon = DomainDispatcherApplication(create_backend_app)

    def __call__(self, asked: dict[str, Any], answer: Callable[..., Any]) -> Iterable[bytes]:
        if asked.pop("HTTP_X_GOOG_IF_GENERATION_MATCH", None) == "0":
            asked["HTTP_IF_NONE_MATCH"] = "*"
        asked["HTTP_AUTHORIZATION"] = SIGNED
        return self._amazon(asked, answer)


if __name__ == "__main__":
    run_simple(sys.argv[2], int(sys.argv[4]), InGooglesWords(), threaded=True)
