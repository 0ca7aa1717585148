"""Edges"""
EDGES = []
