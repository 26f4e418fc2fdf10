# The console in a container of nothing else. From the sources, with a registry at hand:
#   docker build -t docaiche .
# Without any registry, around the binary of `make build` (the last stage only, see there):
#   scripts/image.sh docaiche

# Alpine's Rust links statically against musl of its own accord.
FROM rust:1-alpine AS build
RUN apk add --no-cache musl-dev gcc make nodejs npm && rustup target add wasm32-unknown-unknown
WORKDIR /src
COPY . .
RUN cargo xtask build && mkdir -p /out/data && cp target/release/docaiche /out/docaiche

FROM scratch AS console
LABEL docaiche.stage=console org.opencontainers.image.title="DocAIche Console" org.opencontainers.image.licenses=Apache-2.0
COPY --from=build /out/docaiche /docaiche
# There is no mkdir here, and a volume takes its owner from the image's folder.
COPY --from=build --chown=65532:65532 /out/data /data
# Only /data is writable, SQLite's temporary files included.
ENV DOCAICHE_LISTEN=[::]:4080 DOCAICHE_DATA_DIR=/data SQLITE_TMPDIR=/data
USER 65532:65532
VOLUME /data
EXPOSE 4080
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=3 CMD ["/docaiche", "healthcheck"]
ENTRYPOINT ["/docaiche"]
CMD ["serve"]
