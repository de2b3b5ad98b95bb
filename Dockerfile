# syntax=docker/dockerfile:1
# The operator's image, for the platform it is built on or for (`--platform linux/amd64,linux/arm64`).
# `make image` builds it with docker, podman or buildah.

# The tags take in security fixes; the release workflow adds to each the digest that it has on that day. Both are of the
# same Debian: the binary needs a glibc that is no older than the builder's.
FROM docker.io/library/rust:1.95-trixie AS build
ARG TARGETPLATFORM
WORKDIR /source
COPY . .
# Dependencies are compiled once: registry and target stay in caches, one for each platform. The operator itself never
# comes from there: cargo goes by the times of files, and those of a checkout can be older than the cached binary.
# XDG_CACHE_HOME is where .ci/release-build keeps its tool.
RUN --mount=type=cache,id=waflows-cargo,target=/cargo,sharing=locked \
    --mount=type=cache,id=waflows-target-${TARGETPLATFORM},target=/target,sharing=locked \
    export CARGO_HOME=/cargo CARGO_TARGET_DIR=/target XDG_CACHE_HOME=/target/cache \
    && cargo clean --quiet --locked --release --package waflows-operator --package waflows-core --package waflows-key \
    && .ci/release-build \
    && cp /target/release/waflows-operator /waflows-operator

# The emulator of Meta's API, for those who try the operator: `make emulator-image`. Nobody else's build runs these stages.
FROM docker.io/library/rust:1.95-trixie AS emulator-build
ARG TARGETPLATFORM
WORKDIR /source
COPY . .
RUN --mount=type=cache,id=waflows-cargo,target=/cargo,sharing=locked \
    --mount=type=cache,id=waflows-target-${TARGETPLATFORM},target=/target,sharing=locked \
    export CARGO_HOME=/cargo CARGO_TARGET_DIR=/target \
    && cargo clean --quiet --locked --release --package graph-emulator \
    && cargo build --release --locked --package graph-emulator \
    && cp /target/release/graph-emulator /graph-emulator

FROM gcr.io/distroless/cc-debian13:nonroot AS emulator
COPY --from=emulator-build /graph-emulator /graph-emulator
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/graph-emulator"]
CMD ["--listen", "0.0.0.0:8080", "--accept-any-token", "--create-numbers"]

# glibc, libgcc and certificate authorities; no shell, no package manager.
FROM gcr.io/distroless/cc-debian13:nonroot AS runtime
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG SOURCE=""
ARG CREATED=""
ARG BASE_NAME=""
LABEL org.opencontainers.image.title="waflows-operator" \
      org.opencontainers.image.description="Keeps the encryption key of WhatsApp Flows on every phone number" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="${BASE_NAME}"
COPY --from=build /waflows-operator /waflows-operator
# By number, so that Kubernetes can tell that it is not root.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/waflows-operator"]
CMD ["run"]
