"""The mistakes that test_planted_mistakes.py plants in what runs training: processes, ranks, the loop around them."""

BITS = "train/test_processes.py::test_any_number_of_workers_gives_the_bits_of_threads"
ERROR = "train/test_processes.py::test_an_error_arrives_with_type_and_notes_and_the_pool_still_works"
RANKS = "train/test_ranks.py::test_any_number_of_ranks_gives_the_bits_of_one_process[{}]".format

# As in planted_mistakes.py: what is wrong, the file, the test that must fail, what stands there, and the mistake.
# fmt: off
IN_TRAINING = [
    ("workers go on with the parameters of the start", "train/processes.py", BITS,
     "        self._params[:] = task.params.buffer\n", ""),
    ("a worker writes where its neighbour does", "train/processes.py", BITS,
     "out=shared[row])", "out=shared[row - 1 or row])"),
    ("a worker reads its own copy of the parameters", "train/processes.py", BITS,
     "        task.model.params.update(task.params.views(shared[0]))\n", ""),
    ("a worker keeps the buffers of the start", "train/processes.py",
     "train/test_processes.py::test_a_buffer_is_handed_to_the_workers_and_comes_back",
     "task.model.buffers |= buffers", "pass"),
    ("a worker has its own operations, not the program's", "train/processes.py",
     "train/test_processes.py::test_an_operation_of_this_program_s_is_that_of_the_workers",
     "vars(task.model.device.ops).update(operations)", "pass"),
    ("an answer that came too late is taken for the next", "train/processes.py", ERROR,
     "            if worker.busy:", "            if False:"),
    ("an error's notes stay in the worker", "train/processes.py", ERROR,
     "told.__notes__ = error.__notes__", "told.__notes__ = []"),
    ("Ctrl-C interrupts the workers, too", "train/processes.py",
     "train/test_pools.py::test_one_ctrl_c_saves_and_leaves_nothing_behind",
     "start_new_session=True", "start_new_session=False"),
    ("a busy worker is waited for when all is over", "train/processes.py",
     "train/test_worker_ends.py::test_closing_ends_the_idle_and_kills_the_busy",
     "worker.end(kill=worker.busy)", "worker.end(kill=False)"),
    ("a run that loses a worker loses its steps", "train/loop.py",
     "train/test_worker_ends.py::test_a_worker_that_is_killed_in_a_step_costs_only_that_step",
     "            _save(trainer, checkpoint, show)\n            raise\n", "            raise\n"),
    ("processes are chosen for a teacher whom nobody can send", "train/pools.py",
     "train/test_pools.py::test_processes_are_chosen_where_they_are_likely_to_win",
     " and task.teacher is None", ""),
    ("freed memory is given back in a run", "train/pools.py",
     "train/test_pools.py::test_only_a_run_tells_malloc_to_keep_memory",
     "        keep_freed_memory()", "        pass"),
    ("evaluation has one BLAS thread in a run of processes", "train/pools.py",
     "train/test_pools.py::test_the_evaluation_between_steps_has_all_of_blas",
     "with closing(pool):", "with closing(pool), pool.open():"),
    ("shards are dealt to the ranks like cards", "train/ranks.py", RANKS("2-2"),
     "group[rank * self._width :][: self._width]", "group[rank :: world.size]"),
    ("every rank writes", "train/loop.py", RANKS("2-None"),
     "checkpoint if ranks.first else None", "checkpoint"),
    ("every rank speaks", "train/loop.py", RANKS("2-None"),
     "progress and ranks.first", "progress"),
    ("ranks start from other numbers", "train/loop.py",
     "train/test_ranks.py::test_ranks_that_do_not_start_alike_are_told_so",
     "settings=settings, numbers=numbers()", "settings=settings"),
    ("each rank has the buffers of its own shards", "train/ranks.py",
     "train/test_ranks.py::test_buffers_are_everyone_s",
     "yield Gradient(loss, grads, buffers)", "yield Gradient(loss, grads, told[0][1])"),
]
# fmt: on
