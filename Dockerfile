# The book in a container, on the CPU:
#   docker build --tag netpress .
#   docker run --name book netpress                       # trains the demo edition, builds the site (minutes)
#   docker cp book:/home/reader/netpress/_build/html site
# Any other command of the project runs in it too, such as `docker run --rm netpress make test`.

# What a machine needs beside Python; the development container begins here.
FROM python:3.12-slim AS tools
RUN apt-get update \
 && apt-get install --yes --no-install-recommends git make \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --shell /bin/bash reader
USER reader
ENV TORCH_INDEX=https://download.pytorch.org/whl/cpu

FROM tools AS netpress
RUN mkdir /home/reader/netpress
WORKDIR /home/reader/netpress
# The environment comes first: it is made anew only when one of these files has changed.
COPY --chown=reader Makefile pyproject.toml requirements.lock requirements-torch.txt README.md LICENSE ./
COPY --chown=reader src/netpress/__init__.py src/netpress/
RUN make environment
COPY --chown=reader . .
# Records say which commit made them; the image has no repository to ask.
ARG NETPRESS_COMMIT=unknown
ENV NETPRESS_COMMIT=$NETPRESS_COMMIT
CMD ["make", "book"]
