# syntax=docker/dockerfile:1
# Orderstream in a container: built in one image, run in another that holds the binary, the settings and the catalog.
#
#   docker build -t orderstream .
#   docker run --rm -v orderstream:/var/lib/orderstream -p 127.0.0.1:9464:9464 orderstream

FROM rust:1.95-slim-bookworm AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends build-essential clang libclang-dev libssl-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
ENV ORDERSTREAM_CACHE=/cache CARGO_TERM_COLOR=never

# Dependencies first, and RocksDB with them: these layers stay until the lock file or a manifest changes. Each crate is there with its
# manifest and an empty library, so that cargo compiles everything but us.
COPY Cargo.toml Cargo.lock ./
COPY scripts/env.sh scripts/rocksdb.sh scripts/
COPY domain/Cargo.toml domain/
COPY processors/Cargo.toml processors/
COPY schemas/Cargo.toml schemas/
COPY runtime/Cargo.toml runtime/
COPY topology/Cargo.toml topology/
COPY projection/Cargo.toml projection/
COPY connectors/Cargo.toml connectors/
COPY gateway/Cargo.toml gateway/
COPY cli/Cargo.toml cli/
COPY integration-tests/Cargo.toml integration-tests/
COPY simulation/Cargo.toml simulation/
COPY benchmarks/Cargo.toml benchmarks/
COPY fuzz/Cargo.toml fuzz/
COPY packaging/docker/empty-crates.sh packaging/docker/
RUN packaging/docker/empty-crates.sh \
    && . scripts/env.sh \
    && cargo build --locked --release -p cli

# Our own crates. Their files must look newer than the empty ones, which cargo has compiled a moment ago.
COPY . .
RUN find . -name '*.rs' -exec touch {} + \
    && . scripts/env.sh \
    && cargo build --locked --release -p cli \
    && install -D "$CARGO_TARGET_DIR/release/orderstream" /out/orderstream

FROM debian:bookworm-slim
# What the Kafka client is linked to, and the authorities that it trusts where the settings name none.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libssl3 ca-certificates \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --home-dir /var/lib/orderstream --create-home --shell /usr/sbin/nologin orderstream
COPY --from=build /out/orderstream /usr/bin/orderstream
COPY config/orderstream.toml /etc/orderstream/orderstream.toml
COPY config/catalog /etc/orderstream/catalog
# Within a container every address is its own; which of them the world sees is said when it is run.
ENV ORDERSTREAM_CONFIG=/etc/orderstream/orderstream.toml \
    ORDERSTREAM__NODE__DATA_DIR=/var/lib/orderstream \
    ORDERSTREAM__CATALOG__DIRECTORY=/etc/orderstream/catalog \
    ORDERSTREAM__GATEWAY__LISTEN=0.0.0.0:9464 \
    ORDERSTREAM__LOGGING__FORMAT=json
USER 10001
WORKDIR /var/lib/orderstream
VOLUME ["/var/lib/orderstream"]
EXPOSE 9464
STOPSIGNAL SIGTERM
# A large store may take its time to open after a power cut.
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=3 CMD ["orderstream", "health"]
ENTRYPOINT ["orderstream"]
CMD ["run"]
