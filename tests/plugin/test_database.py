import multiprocessing

from embfeast.plugin import database


def test_connections_share_no_temporary_tables():
    one, other = database.connect_memory(), database.connect_memory()
    one.execute("CREATE TEMP TABLE t AS SELECT 1 AS x")
    other.execute("CREATE TEMP TABLE t AS SELECT 2 AS x")
    assert one.execute("SELECT x FROM t").fetchall() == [(1,)]
    assert other.execute("SELECT x FROM t").fetchall() == [(2,)]
    one.close()
    assert other.execute("SELECT x FROM t").fetchall() == [(2,)]
    other.close()


def _count(send):
    connection = database.connect_memory()
    send.send(connection.execute("SELECT count(*) FROM range(1000000)").fetchall())
    connection.close()


def test_a_forked_process_gets_a_database_of_its_own():
    database.connect_memory().close()
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_count, args=(send,))
    process.start()
    assert receive.poll(30), "the child waits for threads that only its parent has"
    assert receive.recv() == [(1_000_000,)]
    process.join(30)
    assert process.exitcode == 0
