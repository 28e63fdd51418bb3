"""Runs computed by Ray on several processes or machines."""
