"""Nodes of a graph classified from a listing of their neighbours: does a language model read who is linked to whom?"""
