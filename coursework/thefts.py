"""What answers try that want points without an answer, or want to do harm.

`check` hands them in below Assignment 2 as it is handed out: each earns nothing, changes no file,
and the class is graded on. Before them stand CANARY, a file that all may write, and SOLUTION, the
path of the solved notebook.
"""

TAKE = """\
import json


def take(text):
    cells = json.loads(text if isinstance(text, str) else bytes(text))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    exec("\\n".join(x for x in code if "def " in x), globals())
"""
"""Takes the answers of a solution over; with a solution that can be read it earns everything."""

WAYS_TO_READ = [
    "take(open(SOLUTION).read())",
    "take(np.fromfile(SOLUTION, np.uint8))",
    "take(np.memmap(SOLUTION, np.uint8, 'r'))",
    "take(np._globals.enum.bltns.open(SOLUTION).read())",
    "import pathlib\ntake(pathlib.Path(SOLUTION).read_text())",
    "import os\ntake(os.read(os.open(SOLUTION, os.O_RDONLY), 10**7))",
    "import io\ntake(io.open_code(SOLUTION).read())",
    "import linecache\ntake(''.join(linecache.getlines(SOLUTION)))",
    (
        "from importlib.machinery import SourceFileLoader as L\n"
        "take(L('a', SOLUTION).get_data(SOLUTION))"
    ),
    "import shutil\nshutil.copy(SOLUTION, 'mine')\ntake(open('mine').read())",
    "import os\nos.symlink(SOLUTION, 'link')\ntake(open('link').read())",
    "import os\nos.link(SOLUTION, 'hard')\ntake(open('hard').read())",
    (
        "import os\nos.chdir(os.path.dirname(SOLUTION))\n"
        "take(open('02_metarnn-solution.ipynb').read())"
    ),
    "take(open('/proc/self/root' + SOLUTION).read())",
    "import os\ntake(open(f'/proc/{os.getppid()}/root' + SOLUTION).read())",
    "import os\ntake(os.popen('cat ' + SOLUTION).read())",
    (
        "import glob\n"
        "take(open(glob.glob('/**/02_metarnn-solution.ipynb', recursive=True)[0]).read())"
    ),
    "import urllib.request\ntake(urllib.request.urlopen('file://' + SOLUTION).read())",
    (
        "import _xxsubinterpreters as i\nn = i.create()\n"
        'i.run_string(n, f\'open("x", "w").write(open({SOLUTION!r}).read())\')\n'
        "take(open('x').read())"
    ),
    (
        "import gc\nfor found in gc.get_objects():\n"
        "    if isinstance(found, dict) and 'wanted' in found:\n"
        "        heard = lambda x: found['wanted']"
    ),
    "import inspect\nfor each in inspect.stack():\n    take(each.frame.f_locals['solution'])",
    "import os\ntake(os.environ['SOLUTION'])",
]
"""Ways to the solution, each a cell."""

HARM = [
    "os = np._globals.enum.bltns.__import__('os')\nos.remove(CANARY)",
    "open(CANARY, 'w').write('mine')",
    "open(CANARY, 'a').write('mine')",
    "import os\nos.truncate(CANARY, 0)",
    "open('other', 'w').write('mine')\nimport os\nos.replace('other', CANARY)",
    "import shutil\nshutil.copy('worker.py', CANARY)",
    "import os\nos.symlink(CANARY, 'way')\nopen('way', 'w').write('mine')",
    "import logging\nlogging.FileHandler(CANARY).stream.write('mine')",
    "import sqlite3\nsqlite3.connect(CANARY).execute('create table mine (a)')",
    "np.save(open(CANARY, 'wb'), np.ones(3))",
    "import subprocess\nsubprocess.run(['rm', CANARY])",
    "import os\nos.system('rm ' + CANARY)",
    "import os\nos.execv('/bin/rm', ['rm', CANARY])",
    (
        "import os, _posixsubprocess as p\nargs = [b'/bin/rm', CANARY.encode()]\n"
        "p.fork_exec(args, args[:1], True, (), None, None, -1, -1, -1, -1, -1, -1, "
        "*os.pipe(), True, False, -1, None, None, None, -1, None, True)"
    ),
    "import multiprocessing\nmultiprocessing.Process(target=print).start()",
    'import pickle\npickle.loads(b"cos\\nsystem\\n(S\'rm " + CANARY.encode() + b"\'\\ntR.")',
    "import _socket\n_socket.socket().connect(('1.1.1.1', 53))",
    "import urllib.request\nurllib.request.urlopen('http://1.1.1.1')",
    "import ctypes\nctypes.CDLL(None).kill(-1, 9)",
    "import ctypes\nctypes.pythonapi.PyRun_SimpleString(b'import os; os.kill(-1, 9)')",
    "import ctypes\nctypes.memmove(id(CANARY), id(SOLUTION), 64)",
    "import os, signal\nsignal.pidfd_send_signal(os.pidfd_open(os.getppid()), 9)",
    "import os\nos.killpg(0, 9)",
    "import resource\nresource.setrlimit(resource.RLIMIT_DATA, (-1, -1))",
    "import sys\nsys.setprofile(print)",
    "import os\nos.setuid(0)",
]
"""Ways to change a file, to start a program, and to reach others, each a cell."""

TRICKS = {
    "constants": [
        (
            "def lifetime(*args):\n    return 0.0\n\n\n"
            "heard = lstm = step = count = one_more_action = moved = deaf = lifetime"
        )
    ],
    "echo": [
        (
            "def lifetime(*args):\n    return args[0]\n\n\n"
            "heard = lstm = step = count = one_more_action = moved = deaf = lifetime"
        )
    ],
    "shapes": [
        (
            "def heard(x):\n    return np.zeros(len(x['o']) + len(x['a']) + 2)\n\n\n"
            "def lstm(theta, h, c, x):\n    return 0 * h, 0 * c\n\n\n"
            "def step(theta, state, x):\n    return 0 * theta['v'], state\n\n\n"
            "def lifetime(theta, told):\n"
            "    return np.zeros((len(told['r']), len(theta['v'])))\n\n\n"
            "def count(A, B, N):\n    return 0\n\n\ndef one_more_action(N):\n    return 0\n\n"
            "\ndef moved(theta, rho, rho_out):\n    return theta\n\n\n"
            "def deaf(theta, A, B):\n    return theta"
        )
    ],
    "equal to all": [
        (
            "class Equal:\n    shape = ()\n    __eq__ = lambda self, other: True\n"
            "    __array__ = lambda self, *a, **k: np.array(self, object)\n\n\n"
            "def lifetime(*args):\n    return Equal()\n\n\n"
            "heard = lstm = step = count = one_more_action = moved = deaf = lifetime"
        )
    ],
    "other checks": [
        "import checks\n\nchecks.close = checks.all_close = checks.apart = lambda *a, **k: None"
    ],
    "other NumPy": ["np.abs = np.isfinite = np.asarray = lambda x, *a: np.zeros(1)"],
    "call stack": [
        (
            "import sys\n\n\ndef lifetime(*args):\n"
            "    return sys._getframe(1).f_locals['wanted']\n\n\n"
            "heard = lstm = step = count = one_more_action = moved = deaf = lifetime"
        )
    ],
    "attribute getter": [
        (
            "import matplotlib.cbook\n\nfound = "
            "matplotlib.cbook.operator.attrgetter('__globals__')(matplotlib.cbook.flatten)\n"
            "found = found['__builtins__']\n"
            "found = found['__import__'] if isinstance(found, dict) else found.__import__\n"
            "os, json = found('os'), found('json')\nfor folder, _, names in os.walk('/'):\n"
            "    for name in names:\n        if name == '02_metarnn-solution.ipynb':\n"
            "            for cell in json.load(open(os.path.join(folder, name)))['cells']:\n"
            "                if cell['cell_type'] == 'code':\n"
            "                    exec(''.join(cell['source']), globals())"
        )
    ],
    "path that is known": [TAKE, *WAYS_TO_READ],
    "harm": HARM,
    "fork": ["import os\n\nwhile True:\n    os.fork()"],
    "threads": [
        (
            "import threading, time\n\nwhile True:\n"
            "    threading.Thread(target=time.sleep, args=(1e9,), daemon=True).start()"
        )
    ],
    "killed grader": [
        (
            "import os\n\nos.kill(os.getppid(), 9)\nfor number in range(2, 100_000):\n"
            "    os.kill(number, 9)"
        )
    ],
    "wire": [
        (
            "import os\n\nfor number in range(3, 250):\n    try:\n"
            "        os.write(number, bytes(8) + b'x' * 1000)\n    except OSError:\n"
            "        pass"
        )
    ],
    "memory": ["hog = []\nwhile True:\n    hog.append(np.ones(10**8))"],
    "disk": ["with open('big', 'wb') as file:\n    while True:\n        file.write(bytes(10**7))"],
    "end": ["import os\n\nos._exit(0)"],
    "flood": ["for _ in range(500):\n    print('x' * 10**6)"],
    "letters": [
        (
            "def lifetime(*args):\n    raise ValueError('\\ud800' * 10**6)\n\n\n"
            "class Silent(Exception):\n    def __str__(self):\n        raise self\n\n\n"
            "def heard(x):\n    raise Silent\n\n\ndef lstm(*args):\n    deep = []\n"
            "    for _ in range(10**5):\n        deep = [deep]\n    return deep\n\n\n"
            "def count(*args):\n    return 10**5000\n\n\ndef one_more_action(N):\n"
            "    return [0] * 10**7"
        )
    ],
}
"""Cells below the notebook, by what is tried."""

FORGED = {
    "checks.py": "from unittest.mock import Mock\n\nfail = close = all_close = apart = Mock()\n",
    "apart.py": "class Plugin:\n    pass\n",
    "grading.json": '{"names": [], "files": [], "given": [], "imports": [], "seconds": 1}\n',
    "numpy.py": "abs = asarray = None\n",
    "sitecustomize.py": "raise SystemExit\n",
    ".OTTER_LOG": "",
}
"""Files that a submission brings: tests, checks and settings of its own."""
