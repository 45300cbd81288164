"""One ability: the folder of a wrapper.py.

aiges_config: the original framework's aiges.toml
aiges_export: the interface as a schema document of the original framework
aiges_import: the interface from such a document
changes: what takes effect when a worker starts anew, and what does not
declaration: the interface from what a wrapper declares
findings: what `athena check` has to say
handover: an ability on its way to its worker
imports: what an ability's files import of others
manifest: ability.toml
misplaced: keys of ability.toml in the wrong table
names: what abilities and their versions may be called
neighbours: modules beside a wrapper whose names workers need
origins: where its options come from
param_uses: parameters taken for what they are not
secret_files: files that leave no machine in an archive
source_check: the contract, checked without running the wrapper
source_facts: what the source says about itself
wrapper_source: what can be read without running it
"""
