# Hark, one image for both halves: `hark listen` and `hark reconcile`.
#
#   make image                       docker or buildah, whichever is there
#   make image EXTRAS=aws,templates  only what a cluster on AWS needs
#
# The base is named by its tag here, so that a build of yours has the newest fixes of Debian and
# Python. A release is built on one digest: the release workflow looks up what the tag is that day,
# builds both architectures on it and writes it into the label org.opencontainers.image.base.digest.
ARG BASE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE} AS build
# Parts of pyproject.toml: aws, gcp, azure and vault are the clouds; webhook takes changes by HTTP;
# templates evaluates spec.template and the annotations that restrict a namespace.
ARG EXTRAS=aws,gcp,azure,vault,webhook,templates
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements/build.txt requirements/run.txt requirements/
# Wheels alone, so that nothing is compiled; all of them have the pinned hash. An index of your own
# is named by a build secret: --secret id=pip,src=pip.conf
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    python3 -m pip install --only-binary=:all: --require-hashes \
        --requirement requirements/build.txt --target /build && \
    python3 -m pip download --only-binary=:all: --require-hashes --no-deps \
        --requirement requirements/run.txt --dest /wheels
COPY pyproject.toml README.md ./
COPY externalsecret externalsecret
COPY hark hark
COPY listener listener
COPY reconciler reconciler
COPY testbed testbed
# From here on only what was checked above can be installed. --python: the folder has no pip, ever.
RUN PYTHONPATH=/build python3 -m pip wheel --no-index --no-deps --no-build-isolation \
        --wheel-dir /wheels . && \
    python3 -m venv --without-pip /opt/hark && \
    python3 -m pip --python /opt/hark/bin/python install --no-index --find-links /wheels \
        "hark[${EXTRAS}]"
# The two JavaScript libraries of templates, each with its pinned hash. A registry of your own:
# --secret id=npm,src=npmrc
RUN --mount=type=secret,id=npm,target=/root/.npmrc \
    case ",${EXTRAS}," in *,templates,*) \
        PYTHONPATH=/build /opt/hark/bin/python -m reconciler.provide \
            "$(/opt/hark/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/reconciler/libraries" ;; \
    esac
COPY requirements/trim-packages requirements/
RUN requirements/trim-packages \
        "$(/opt/hark/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"

FROM ${BASE} AS bare
COPY requirements/strip-image /tmp/strip-image
RUN /tmp/strip-image && rm /tmp/strip-image
COPY --from=build /opt/hark /opt/hark

# One layer of what is left: what was deleted from the base is not carried along beneath it, which
# is why the whole file system is copied here.
FROM scratch
ARG BASE
ARG BASE_DIGEST
ARG VERSION
ARG REVISION
ARG CREATED
ARG SOURCE
LABEL org.opencontainers.image.title="Hark" \
      org.opencontainers.image.description="Event-driven external secrets for Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.base.name="${BASE}" \
      org.opencontainers.image.base.digest="${BASE_DIGEST}"
# hadolint ignore=DL3067
COPY --from=bare / /
# The root file system may be read-only: nothing is written but what a log takes from stdout.
ENV PATH=/opt/hark/bin:/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /
# A number, since runAsNonRoot cannot know what a name stands for; the same as in the chart.
USER 65532:65532
ENTRYPOINT ["hark"]
