"""The random run of `make soak ARGS="chaos"`: acts on the stack of `make run`, and checks of what it shows and stores.

`soak_chaos` begins and ends a run. `stage` performs the acts; `traders`, `screens` and `relay` deliver the data that
`observers` judges. The modules with the rules are pure (`websocket`, `wire`, `checks`, `ledger`, `plan`, `report`), and
unit tests show that each rule fails on bad data.
"""
