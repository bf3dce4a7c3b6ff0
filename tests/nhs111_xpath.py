"""Reads every ClinicalDocument of a folder of messages with lxml and plain XPath; prints one JSON list."""
import json
import pathlib
import sys

from lxml import etree

NS = {"c": "urn:hl7-org:v3"}
ROLE = "c:recordTarget/c:patientRole"
VISIT = "c:componentOf/c:encompassingEncounter"


def texts(nodes):
    return [node.text.strip() for node in nodes if node.text and node.text.strip()]


documents = []
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.xml")):
    for document in etree.parse(str(path)).iter("{urn:hl7-org:v3}ClinicalDocument"):
        find = lambda xpath, node=document: node.xpath(xpath, namespaces=NS)
        documents.append({
            "file": path.name,
            "id": find("string(c:id/@root)"),
            "ids": [[i.get("root"), i.get("extension")] for i in find(f"{ROLE}/c:id")],
            "names": [
                {"family": texts(find("c:family", n))[0], "given": texts(find("c:given", n))}
                for n in find(f"{ROLE}/c:patient/c:name")
            ],
            "sex": find(f"string({ROLE}/c:patient/c:administrativeGenderCode/@code)"),
            "born": find(f"string({ROLE}/c:patient/c:birthTime/@value)"),
            "confidentiality": find("string(c:confidentialityCode/@code)"),
            "encounter_ids": [[i.get("root"), i.get("extension")] for i in find(f"{VISIT}/c:id")],
            "disposition": find(f"string({VISIT}/c:dischargeDispositionCode/@code)"),
        })
json.dump(documents, sys.stdout)
