"""One file through a trained network: the command ``experiments.network predict``.

`program` takes a file from its check to the written result. Each task has two modules of its name.
In `flags`, which is quick to import:

- `FLAGS`: names of the command's flags that the task knows, beside those that all tasks know;
- `ENDINGS`: of the files it writes;
- `settings(asked)`: the fields of the task's configuration that say what the input is.

In this package:

- `prepare(asked, config, built, account)`: the `Inputs` of the task, with one file held out;
- `applications(inputs)`: how often the network will be applied;
- `write(path, asked, inputs, outputs)`: the result, from one output for each subject.
"""
