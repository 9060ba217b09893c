"""Validates the compose file and the manifests against their schemas, and prints them as JSON for further checks.

    check.py FOLDER    exit code 1, and what is wrong on stderr, if anything is
"""

import json
import pathlib
import sys
import sysconfig

import jsonschema
import kubernetes_validate
import yaml

KUBERNETES = "1.31"
# The schema of Compose comes with a package of which nothing else is used.
COMPOSE = pathlib.Path(sysconfig.get_paths()["purelib"]) / "compose/config/compose_spec.json"


def main(folder):
    wrong = []
    compose = yaml.safe_load((folder / "compose.yaml").read_text())
    schema = json.loads(COMPOSE.read_text())
    # Came into Compose after this schema was packed.
    schema["properties"]["name"] = {"type": "string"}
    for error in jsonschema.Draft7Validator(schema).iter_errors(compose):
        wrong.append(f"compose.yaml: {list(error.absolute_path)}: {error.message[:300]}")
    manifests = {}
    for path in sorted((folder / "k8s").rglob("*.yaml")):
        name = path.relative_to(folder / "k8s").as_posix()
        manifests[name] = [one for one in yaml.safe_load_all(path.read_text()) if one]
        if name == "kustomization.yaml":
            continue
        for one in manifests[name]:
            try:
                kubernetes_validate.validate(one, KUBERNETES, strict=True)
            except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as why:
                wrong.append(f"{name}: {one.get('kind')}: {str(why)[:300]}")
    print(json.dumps({"compose": compose, "k8s": manifests}))
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
