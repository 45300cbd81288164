#!/usr/bin/env bash
# What a version is shipped as, in dist/VERSION: scripts/release.sh [--with bundle,images]
#
# The wheel, the bill of materials (CycloneDX) of an installation, the list of images, the chart where helm can be had, the licence and the
# changes, and checksums of all. `--with` adds what takes minutes. A version is cut before, which tags it:
#
#     scripts/release.sh cut 0.2.0
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
    echo "athena: $*" >&2
    exit 78
}

current_version() {
    sed -n 's/^__version__ = "\(.*\)"$/\1/p' athena/__init__.py
}

# cut VERSION: what is unreleased becomes this version, in one commit and a tag.
cut_version() {
    local version=$1
    [[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || fail "a version is written as 0.2.0, not $version"
    [ -z "$(git status --porcelain)" ] || fail "commit first: git status"
    ! git rev-parse --quiet --verify "refs/tags/v$version" >/dev/null || fail "v$version is there already"
    [ "$(printf '%s\n' "$(current_version)" "$version" | sort -V | tail -n 1)" = "$version" ] ||
        fail "$version is older than $(current_version)"
    sed -i "s/^__version__ = .*/__version__ = \"$version\"/" athena/__init__.py
    sed -i "s/^## \[Unreleased\]$/&\n\n## [$version] - $(date -u +%Y-%m-%d)/" CHANGELOG.md
    sed -i -E "s/^(version|appVersion): .*/\1: $version/" deploy/helm/athena/Chart.yaml
    sed -i "s/^ATHENA_VERSION=.*/ATHENA_VERSION=$version/" deploy/compose/.env.example
    git commit --quiet --all --message "Release $version"
    git tag --annotate "v$version" --message "Athena Serving $version"
    echo "cut v$version; push it with: git push --follow-tags"
}

# Of the release's wheel as it is installed, not of the development tools.
write_bill() {
    local tools=.tools/cyclonedx
    [ -x "$tools/bin/cyclonedx-py" ] || {
        .venv/bin/python -m venv "$tools"
        "$tools/bin/pip" install --quiet --disable-pip-version-check 'cyclonedx-bom==7.5.0'
    }
    .venv/bin/python -m venv "$folder/venv"
    "$folder/venv/bin/pip" install --quiet --disable-pip-version-check --constraint constraints.txt \
        "$(echo "$out"/*.whl)[cpu,embedded]"
    "$folder/venv/bin/pip" uninstall --quiet --yes pip setuptools
    "$tools/bin/cyclonedx-py" environment --output-reproducible --output-format JSON --validate \
        --output-file "$folder/bill.json" "$folder/venv/bin/python"
    # Where the wheel lay on this machine is nobody's business.
    .venv/bin/python -c 'import json, sys
bill = json.load(open(sys.argv[1]))
for part in bill["components"]:
    part["externalReferences"] = [
        one for one in part.get("externalReferences", ()) if not one["url"].startswith("file:")
    ]
json.dump(bill, open(sys.argv[2], "w"), indent=2)' "$folder/bill.json" "$out/athena-$version.cdx.json"
}

write_images() {
    local target
    for target in gateway redis worker worker-ocr worker-gpu; do
        echo "athena-$target:$version"
    done >"$out/images.txt"
}

package_chart() {
    if scripts/install-helm.sh; then
        .tools/bin/helm package deploy/helm/athena --version "$version" --app-version "$version" --destination "$out" >/dev/null
    else
        echo "athena: without the chart: there is no helm here" >&2
    fi
}

save_images() {
    TAG=$version deploy/images/build.sh >"$folder/built"
    . deploy/images/engine.sh
    local name
    while read -r name _; do
        if [ "$ENGINE" = buildah ]; then
            buildah push --quiet "$name" "docker-archive:$out/$(basename "${name%%:*}")-$version.tar:$name"
        else
            "$ENGINE" save --output "$out/$(basename "${name%%:*}")-$version.tar" "$name"
        fi
    done <"$folder/built"
}

if [ "${1:-}" = cut ]; then
    [ $# -eq 2 ] || fail "scripts/release.sh cut VERSION"
    cut_version "$2"
    exit
fi
with=
[ "${1:-}" != --with ] || with=${2:?}
version=$(current_version)
grep -q "^## \[$version\]" CHANGELOG.md || echo "athena: CHANGELOG.md has no section [$version]: scripts/release.sh cut makes one" >&2
folder=$(mktemp -d) out=dist/$version
trap 'rm -rf "$folder"' EXIT
rm -rf "$out"
mkdir -p "$out"
make build >"$folder/build.log" 2>&1 || { cat "$folder/build.log" >&2; exit 1; }
cp "dist/athena_serving-$version-py3-none-any.whl" constraints.txt LICENSE CHANGELOG.md "$out"
write_bill
write_images
package_chart
case ,$with, in *,bundle,*) .venv/bin/athena bundle --output "$out/athena-$version-$(uname -m).tar.gz" ;; esac
case ,$with, in *,images,*) save_images ;; esac
(cd "$out" && sha256sum -- * >"$folder/sums" && mv "$folder/sums" SHA256SUMS)
(cd "$out" && ls -l)
